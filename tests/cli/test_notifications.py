"""`[notify]`: messages about the end, the budget and outages; addresses stay secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import anyio
import pytest

from batchgen.cli.notifications import Notifications
from batchgen.runner.progress import Progress
from tests.cli.command import KEY, Shop, batchgen
from tests.warm import Ended

SECRET = "s3cr3t-t0ken"


class Inbox(HTTPServer):
    """A webhook on loopback: it keeps the title and text of each message."""

    def __init__(self, code: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.code = code
        self.messages: list[tuple[str, str]] = []

    @property
    def address(self) -> str:
        return f"json://user:{SECRET}@127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Inbox

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.messages.append((body["title"], body["message"]))
        self.send_response(self.server.code)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def inbox(code: int = 200) -> Iterator[Inbox]:
    with Inbox(code) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def run(shop: Shop, notify: str, addresses: str, *options: str) -> Ended:
    shop.catalogue(3)
    shop.write("job.toml", f'manifest = "m.csv"\n[notify]\n{notify}\n')
    words = ("run", "job.toml", *shop.options, "--quiet", *options)
    variables = {"BATCHGEN_NOTIFY_URLS": addresses} if addresses else {}
    return batchgen(*words, at=shop.folder, key=KEY, variables=variables)


def files_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_the_end_is_told_and_the_address_stays_secret(shop: Shop) -> None:
    with inbox() as server:
        ended = run(shop, 'on = ["end"]', server.address, "--yes")

    assert ended.code == 0
    ((title, text),) = server.messages
    assert title == "job: ended"
    assert "exit code 0" in text
    assert "rows: 3 succeeded" in text
    assert "spent $" in text
    assert SECRET not in ended.terminal
    assert SECRET.encode() not in files_of(shop.folder)


@pytest.mark.parametrize(("notify", "count"), [('["budget"]', 1), ('["outage"]', 0)])
def test_a_budget_is_told_to_who_asked_for_it(
    shop: Shop, notify: str, count: int
) -> None:
    budget = ("--max-cost", "0.2", "--concurrency", "1")
    with inbox() as server:
        ended = run(shop, f"on = {notify}", server.address, *budget)

    assert ended.code == 4
    titles = [title for title, _ in server.messages]
    assert titles == ["job: stopped at the budget"] * count


def test_a_message_that_nobody_takes_is_named_and_changes_nothing(shop: Shop) -> None:
    with inbox(code=500) as server:
        ended = run(shop, 'on = "end"', server.address, "--yes")

    assert ended.code == 0
    assert 'BATCHGEN_NOTIFY_URLS took the message "job: ended"' in ended.stderr
    assert SECRET not in ended.terminal


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        pytest.param("", "export BATCHGEN_NOTIFY_URLS=ADDRESS", id="none"),
        pytest.param(
            f"json://127.0.0.1:1 {SECRET}", "address 2 is none that", id="wrong"
        ),
    ],
)
def test_what_is_missing_is_said_before_anything_is_sent(
    shop: Shop, addresses: str, words: str
) -> None:
    sent = shop.sent

    ended = run(shop, 'on = ["end"]', addresses, "--yes")

    assert ended.code == 1
    assert words in ended.stderr
    assert SECRET not in ended.stderr
    assert shop.sent == sent


def test_a_rehearsal_says_that_its_money_is_pretend(shop: Shop) -> None:
    shop.catalogue(1)
    shop.write("job.toml", 'manifest = "m.csv"\n[notify]\non = "end"\n')
    words = ("run", "job.toml", "--provider", "gemini", "--rehearse", "--quiet")
    with inbox() as server:
        variables = {"BATCHGEN_NOTIFY_URLS": server.address}
        batchgen(*words, at=shop.folder, key=KEY, variables=variables)

    ((_, text),) = server.messages
    assert "pretend cost $" in text
    assert "no money was spent" in text


def test_an_outage_is_told_once_it_is_long_and_when_it_is_over() -> None:
    notifications = Notifications("job", ("outage",), 600.0, lambda *_: True)

    assert notifications.news({"gemini": 599.0}) == []
    ((title, text),) = notifications.news({"gemini": 660.0, "fal": 5.0})
    assert title == "job: gemini does not answer"
    assert "For 11 minutes" in text
    assert notifications.news({"gemini": 900.0}) == []
    assert [title for title, _ in notifications.news({})] == [
        "job: gemini answers again"
    ]
    assert notifications.news({}) == []


def test_an_outage_is_sent_while_the_run_waits() -> None:
    async def watch() -> list[str]:
        titles: list[str] = []
        told = anyio.Event()

        def send(title: str, _: str) -> bool:
            titles.append(title)
            anyio.from_thread.run_sync(told.set)
            return True

        notifications = Notifications("job", ("outage",), 600.0, send)
        progress = Progress(outages=lambda: {"gemini": 601.0})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(notifications.watch, progress)
            await told.wait()
            tasks.cancel_scope.cancel()
        return titles

    assert anyio.run(watch) == ["job: gemini does not answer"]
