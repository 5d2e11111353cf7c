"""Tables that are no files: copied durably, so that the same command carries on."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from batchgen.errors import LedgerLocked, SpecError, UsageError
from batchgen.runner.folder import hold_folder
from batchgen.runner.incoming_table import STDIN, copy_table, name_of
from tests.cli.command import COMMAND, batchgen

CSV = b"id,prompt\n1,a mug\n2,a cup\n"


class Pages(ThreadingHTTPServer):
    """A web server whose pages a test may change; it notes the headers it got."""

    pages: dict[str, bytes]
    headers: list[dict[str, str]]


class Handler(BaseHTTPRequestHandler):
    server: Pages

    def do_GET(self) -> None:
        self.server.headers.append(dict(self.headers))
        content = self.server.pages.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Tue, 01 Dec 2026 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(pages: dict[str, bytes]) -> Iterator[Pages]:
    server = Pages(("127.0.0.1", 0), Handler)
    server.pages, server.headers = pages, []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def address(server: Pages, path: str) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}{path}"


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


NOTHING = io.BytesIO()


def test_the_standard_input_is_kept_and_used_again(tmp_path: Path) -> None:
    path, notice = copy_table(STDIN, tmp_path / "out", io.BytesIO(CSV))
    assert (path.name, path.read_bytes(), notice) == ("from-stdin.csv", CSV, None)

    for stdin in (io.BytesIO(), Terminal()):
        again, notice = copy_table(STDIN, tmp_path / "out", stdin)
        assert again == path
        assert notice is not None
        assert "read from its copy" in notice

    longer = CSV + b"3,a jar\n"
    edited, _ = copy_table(STDIN, tmp_path / "out", io.BytesIO(longer))
    assert (edited, edited.read_bytes()) == (path, longer)
    assert [each.name for each in (tmp_path / "out").iterdir()] == [path.name]


def test_nothing_from_the_standard_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pipe a table into"):
        copy_table(STDIN, tmp_path / "out", io.BytesIO())

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        pytest.param(b'{"prompt": "a"}\n', ".jsonl", id="jsonl"),
        pytest.param(b'[{"prompt": "a"}]', ".json", id="json"),
        pytest.param(b"a red cup\na blue mug\n", ".txt", id="txt"),
        pytest.param(b"%PDF-1.7\n%\xe2\xe3", ".data", id="no-table"),
    ],
)
def test_a_copy_is_named_by_its_content(
    tmp_path: Path, content: bytes, suffix: str
) -> None:
    path, _ = copy_table(STDIN, tmp_path / "out", io.BytesIO(content))

    assert path.suffix == suffix


def test_a_table_of_the_web_is_fetched_once_and_without_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "sk-live-Qz7Rt2Lm9Xv4Bn8Kw1PdYc5H")
    with served({"/shop/list.csv?v=1": CSV}) as server:
        url = address(server, "/shop/list.csv?v=1")
        path, _ = copy_table(url, tmp_path / "out", NOTHING)
        assert path.read_bytes() == CSV
        assert "sk-live" not in str(server.headers)
        server.pages.clear()

        again, notice = copy_table(url, tmp_path / "out", NOTHING)

        assert (again, len(server.headers)) == (path, 1)
        assert notice is not None
        assert "as it was at the first run" in notice
        with pytest.raises(SpecError, match="Download the table"):
            copy_table(address(server, "/other.csv"), tmp_path / "out", NOTHING)


def test_a_look_at_a_table_keeps_no_copy_and_uses_that_of_a_run(
    tmp_path: Path,
) -> None:
    out, passing = tmp_path / "out", tmp_path / "passing"
    passing.mkdir()
    with served({"/list.csv": CSV}) as server:
        url = address(server, "/list.csv")
        path, _ = copy_table(url, out, NOTHING, passing)
        assert (path.parent, out.exists()) == (passing, False)
        of_run, _ = copy_table(url, out, NOTHING)
        server.pages["/list.csv"] = CSV + b"3,a jar\n"

        again, _ = copy_table(url, out, NOTHING, passing)

    assert again == of_run


def test_two_addresses_are_two_tables() -> None:
    assert name_of("https://a.example/x.csv") != name_of("https://b.example/x.csv")


def test_an_address_within_a_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"10\.0\.0\.1 is not a public address"):
        copy_table("https://10.0.0.1/x.csv", tmp_path / "out", NOTHING)


def test_a_table_under_a_run_is_not_replaced(tmp_path: Path) -> None:
    path, _ = copy_table(STDIN, tmp_path, io.BytesIO(CSV))

    with hold_folder(tmp_path), pytest.raises(LedgerLocked):
        copy_table(STDIN, tmp_path, io.BytesIO(b"id,prompt\n9,other\n"))

    assert path.read_bytes() == CSV


def test_what_is_no_table_does_not_replace_that_of_a_run(tmp_path: Path) -> None:
    words = ("run", "-", "--out", "out", "--rehearse", "--provider", "gemini")
    first = piped(CSV, *words, at=tmp_path)
    assert first.returncode == 0, first.stderr

    other = piped(b"title\nA mug\nA cup\n", *words, at=tmp_path)

    assert other.returncode == 1
    assert b"which stays as it was" in other.stderr
    assert b"name another folder with --out" in other.stderr
    assert (tmp_path / "out" / "from-stdin.csv").read_bytes() == CSV
    assert not [*(tmp_path / "out").glob("new-*")]


def piped(table: bytes, *words: str, at: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *words], cwd=at, input=table, capture_output=True, check=False
    )


def test_a_table_of_a_bucket_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    with served({"/shop/exports/list.csv": CSV}) as server:
        for name, value in {
            "AWS_ENDPOINT": address(server, ""),
            "AWS_ALLOW_HTTP": "true",
            "AWS_SKIP_SIGNATURE": "true",
            "AWS_REGION": "us-east-1",
            "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
        }.items():
            monkeypatch.setenv(name, value)

        path, _ = copy_table("s3://shop/exports/list.csv", tmp_path / "out", NOTHING)

        assert path.read_bytes() == CSV
        with pytest.raises(SpecError, match="Credentials come from the environment"):
            copy_table("s3://shop/none.csv", tmp_path / "out", NOTHING)


def test_a_cloud_without_its_extra_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)

    with pytest.raises(SpecError, match=r"pip install 'batchgen\[cloud\]'"):
        copy_table("gs://shop/list.csv", tmp_path / "out", NOTHING)


def test_a_run_from_the_web_carries_on_without_the_web(tmp_path: Path) -> None:
    words = ("--rehearse", "--provider", "gemini", "--latency", "0")
    with served({"/list.csv": CSV}) as server:
        url = address(server, "/list.csv")
        first = batchgen("run", url, *words, "--limit", "1", at=tmp_path)
    assert first.code == 0, first.stderr

    again = batchgen("run", url, *words, at=tmp_path)

    assert "2 rows: 2 succeeded" in again.stdout
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["list-rehearsal"]
