from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from batchgen.sandbox import KEY, SandboxFailed, start_sandbox
from batchgen.sandbox.services import SERVICES
from tests.sandbox.buyer import buyer_at, links_of

DAY_S = 24 * 3600

START_AND_WAIT = """
import sys
from pathlib import Path
from batchgen.sandbox import start_sandbox

with start_sandbox(Path(sys.argv[1])) as sandbox:
    print(sandbox.url, flush=True)
    sys.stdin.read()
"""

SERVE = """
import sys
from pathlib import Path
from batchgen.sandbox.server import serve

serve(Path(sys.argv[1]), announce=lambda line: print(line, flush=True))
"""


def test_bill_port_and_links_survive_a_kill(tmp_path: Path) -> None:
    with (
        start_sandbox(tmp_path, latency=0) as first,
        buyer_at(first, "aimlapi") as buyer,
    ):
        link = buyer.link("a lamp")
        image = buyer.download(link).content
        bill = first.bill()
        first.process.kill()

    with start_sandbox(tmp_path, latency=0) as second:
        assert second.url == first.url
        assert second.bill() == bill
        with buyer_at(second, "aimlapi") as buyer:
            assert buyer.download(link).content == image


def test_a_task_that_ran_at_a_kill_goes_on(tmp_path: Path) -> None:
    with (
        start_sandbox(tmp_path, latency=0.6) as first,
        buyer_at(first, "foxapi") as buyer,
    ):
        task_id = buyer.buy("a lamp").json()["id"]
        running = buyer.poll(task_id).json()
        first.process.kill()

    with start_sandbox(tmp_path) as second, buyer_at(second, "foxapi") as buyer:
        ended = buyer.wait(task_id)
        [sale] = second.bill()["entries"]

    assert running["status"] in ("pending", "processing")
    assert ended["status"] == "completed"
    assert (sale["id"], sale["status"]) == (task_id, "delivered")


def test_how_often_a_content_was_seen_survives_a_restart(tmp_path: Path) -> None:
    images = []
    for _ in range(2):
        with (
            start_sandbox(tmp_path, latency=0) as sandbox,
            buyer_at(sandbox, "foxapi") as buyer,
        ):
            images.append(buyer.download(buyer.link("two lamps")).content)

    assert images[0] != images[1]


def test_a_link_of_foxapi_lives_a_day_and_a_poll_gives_a_fresh_one(
    tmp_path: Path,
) -> None:
    with (
        start_sandbox(tmp_path, latency=0) as sandbox,
        buyer_at(sandbox, "foxapi") as buyer,
    ):
        task_id = buyer.buy("a lamp").json()["id"]
        [link] = links_of(buyer.wait(task_id))
        assert buyer.download(link).status_code == 200
    with closing(sqlite3.connect(tmp_path / "sandbox.db")) as state, state:
        state.execute("update images set issued_at = issued_at - ?", [DAY_S + 1])

    with (
        start_sandbox(tmp_path, latency=0) as sandbox,
        buyer_at(sandbox, "foxapi") as buyer,
    ):
        assert buyer.download(link).status_code == 403
        [fresh] = links_of(buyer.wait(task_id))
        assert buyer.download(fresh).status_code == 200


def test_the_state_folder_never_holds_the_key(tmp_path: Path) -> None:
    with (
        start_sandbox(tmp_path, latency=0) as sandbox,
        buyer_at(sandbox, "aimlapi") as buyer,
    ):
        buyer.buy(f"a poster of {KEY}", key=KEY)
        buyer.buy(key="sk-wrong-0123456789")
        kept = json.dumps(sandbox.requests())

    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert "a poster of ***" in kept
    assert b"sk-wrong-0123456789" not in files
    # What was charged keeps the prompt as it came; only the record is cleaned.
    assert KEY not in kept


def connect(url: str) -> socket.socket:
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    return socket.create_connection((address.hostname, address.port), 10)


def read_to_the_end(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def connect_until_refused(url: str) -> None:
    # The port may take connections a moment longer than its process lives.
    for _ in range(1_000):
        with connect(url) as connection, suppress(ConnectionResetError):
            read_to_the_end(connection)


def open_connection(url: str) -> socket.socket:
    connection = connect(url)
    connection.sendall(b"GET /_sandbox/tariff HTTP/1.1\r\nhost: here\r\n\r\n")
    assert connection.recv(64).startswith(b"HTTP/1.1 200")
    return connection


def test_the_child_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().decode().strip()
        with open_connection(url) as connection:
            parent.kill()
            read_to_the_end(connection)

    with pytest.raises(ConnectionRefusedError):
        connect_until_refused(url)


def test_the_child_leaves_the_signals_of_the_terminal_alone(tmp_path: Path) -> None:
    with (
        start_sandbox(tmp_path, latency=0.3) as sandbox,
        buyer_at(sandbox, "aimlapi") as buyer,
    ):
        sandbox.process.send_signal(signal.SIGINT)
        sandbox.process.send_signal(signal.SIGHUP)

        assert buyer.buy("after Ctrl-C").status_code == 200
        assert sandbox.process.poll() is None


def test_the_child_ends_with_the_block(tmp_path: Path) -> None:
    with start_sandbox(tmp_path) as sandbox:
        assert sandbox.process.poll() is None

    assert sandbox.process.returncode == 0


def test_the_child_sees_no_key_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIMLAPI_API_KEY", "sk-secret-of-the-user")
    environment = Path("/proc/self/environ")
    if not environment.exists():
        pytest.skip("this system does not show the environment of a process")

    with start_sandbox(tmp_path) as sandbox:
        seen = environment.parent.with_name(str(sandbox.process.pid)) / "environ"
        assert b"sk-secret-of-the-user" not in seen.read_bytes()


def test_a_child_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "sandbox.db").write_text("this is no database, whatever its name says")

    with pytest.raises(SandboxFailed, match="not a database"), start_sandbox(tmp_path):
        pass


@pytest.mark.parametrize("stop_signal", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_it_prints_its_urls_and_ends_at_a_signal(
    tmp_path: Path, stop_signal: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ},
    ) as server:
        assert server.stdout is not None
        lines = [server.stdout.readline().decode() for _ in range(len(SERVICES) + 1)]
        server.send_signal(stop_signal)
        _, errors = server.communicate(timeout=10)

    assert [line.split()[0] for line in lines] == [*SERVICES, "bill"]
    assert (server.returncode, errors) == (0, b"")
