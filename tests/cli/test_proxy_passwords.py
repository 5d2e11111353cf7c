"""The password of a proxy stands nowhere: not in streams, files or tables."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.cli.command import KEY, Ended, batchgen, table
from tests.daemons.squid import squid
from tests.wire.server import ScriptedServer, answer, reply

USER, PASSWORD = "shop@acme", "p@ss/w0rd"
PAIR = f"{USER}:{PASSWORD}"
BASIC = base64.b64encode(PAIR.encode()).decode()
FORMS = {
    "plain": PAIR,
    "escaped": f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}",
    "basic": BASIC,
    "alone": PASSWORD,
}


def proxy_at(port: int) -> str:
    return f"http://{FORMS['escaped']}@127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def manifest(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,prompt\na,lamp\nb,cup\n")


def run(folder: Path, url: str) -> Ended:
    words = ["run", "m.csv", "--provider", "openai", "--base-url", url]
    return batchgen(*words, "--price", "0.05", "--yes", at=folder, key=KEY)


def places_of_the_password(folder: Path, ended: Ended) -> Iterator[str]:
    """Yield each stream, file and table in which the password stands."""
    texts = {"stdout": ended.stdout, "stderr": ended.stderr}
    for path in filter(Path.is_file, folder.rglob("*")):
        texts[str(path)] = path.read_bytes().decode("latin-1")
    texts["rows"] = json.dumps(table(folder / "out/m").to_dicts(), default=str)
    for place, text in texts.items():
        if any(form in text for form in FORMS.values()):
            yield place


def test_a_proxy_that_refuses_the_password_ends_the_run_and_keeps_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What it is asked for is a made-up name: only the proxy, on loopback, is reached.
    monkeypatch.delenv("BATCHGEN_LOOPBACK_ONLY")
    with squid(login=("other", "password")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy_at(proxy.port))
        ended = run(tmp_path, "https://api.acme.example/v1")

    assert ended.code == 1, ended
    assert "does not accept the user name and the password (HTTP 407)" in ended.stderr
    assert "set HTTPS_PROXY to" in ended.stderr
    rows = table(tmp_path / "out/m")
    assert set(rows["status"]) == {"pending"}
    assert set(rows["at_risk_usd"]) == {0}
    assert [*places_of_the_password(tmp_path, ended)] == []


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "200 OK"])
def test_words_of_others_that_repeat_the_password_lose_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy_at(9))
    words = ", ".join(f"not for http://{form}@proxy" for form in FORMS.values())
    body = json.dumps({"error": {"message": words}}).encode()
    with ScriptedServer(answer(reply(body, status=status))) as server:
        ended = run(tmp_path, server.url)

    assert server.posts > 0
    assert "not for http://[key]" in ended.stdout + ended.stderr
    assert [*places_of_the_password(tmp_path, ended)] == []


def test_a_proxy_that_is_no_address_is_refused_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BATCHGEN_LOOPBACK_ONLY")
    monkeypatch.setenv("ALL_PROXY", f"http://{PAIR}#@proxy.example:3128")

    ended = run(tmp_path, "https://api.acme.example/v1")

    assert ended.code == 1
    assert "ALL_PROXY is no whole address of a proxy" in ended.stderr
    assert not [form for form in FORMS.values() if form in ended.stdout + ended.stderr]
