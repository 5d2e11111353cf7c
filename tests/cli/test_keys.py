"""A key is in nothing that batchgen writes, whatever the provider echoes."""

from __future__ import annotations

import base64
import io
import json
import os
import sqlite3
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest
from PIL import Image

from batchgen.sandbox import start_sandbox
from batchgen.wire import Redactor
from tests.cli.command import COMMAND, KEY, TIMEOUT_S, Shop, batchgen, environment
from tests.wire.server import Peer, ScriptedServer, reply

PART = 8
CLEAN, CLEAN_ID = Redactor.redact.__name__, Redactor.redact_id.__name__
UNSCRUBBED = [
    sys.executable,
    "-c",
    "from batchgen.wire.redaction import Redactor\n"
    f"Redactor.{CLEAN} = Redactor.{CLEAN_ID} = lambda self, text: text\n"
    "from batchgen.cli import main\n"
    "main()",
]


# -- what to look for, and where


def parts_of_the_key(text: str) -> set[str]:
    """Return every part of the key, eight characters long, that the text holds."""
    folded, key = text.lower(), KEY.lower()
    parts = {key[at : at + PART] for at in range(len(key) - PART + 1)}
    return {part for part in parts if part in folded}


def leaks(folder: Path, *streams: str) -> dict[str, set[str]]:
    """Return by place the parts of the key that stand in files and streams."""
    places = {f"stream {number}": text for number, text in enumerate(streams)}
    for path in folder.rglob("*"):
        if path.is_file():
            places[path.name] = path.read_bytes().decode("latin-1")
    places |= dict(unpacked(folder))
    return {
        name: parts
        for name, place in places.items()
        if (parts := parts_of_the_key(place))
    }


def unpacked(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what files hold where their bytes alone do not show it."""
    for path in folder.rglob("results.parquet"):
        yield "table", repr(pl.read_parquet(path).rows())
        yield "table's metadata", repr(pl.read_parquet_metadata(path))
    for path in folder.rglob("images.zip"):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    yield name, archive.read(name).decode("latin-1")
    for path in folder.rglob("run.db"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
            yield "ledger", "\n".join(ledger.iterdump())


# -- a provider that echoes


def picture() -> str:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def message_reply(words: str, status: str, **more: object) -> bytes:
    return reply(json.dumps({"message": words, **more}).encode(), status=status)


def echoes() -> list[bytes]:
    """Return replies that echo the key: whole, in parts, masked and escaped."""
    bought = {"data": [{"b64_json": picture()}], "meta": {"usage": {}}}
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in KEY)
    return [
        reply(json.dumps(bought).encode(), headers=(f"x-inference-id: {KEY}",)),
        message_reply(f"bad field, key was {KEY}", "400 Bad Request", requestId=KEY),
        message_reply(f"seen Bearer {KEY[:12]}... before", "500 Internal Server Error"),
        message_reply(
            f"account of {KEY[10:22]} is broken", "500 Internal Server Error"
        ),
        message_reply(
            f"key={quote(KEY, safe='')} and {KEY.upper()}", "400 Bad Request"
        ),
        reply(
            f'{{"message": "escaped: {escaped}"}}'.encode(), status="400 Bad Request"
        ),
        reply(
            f"<html><title>502 for {KEY}</title></html>".encode(),
            status="502 Bad Gateway",
            content_type="text/html",
        ),
        message_reply(f"nothing made for {KEY}", "200 OK", data=[]),
        reply(f'{{"strange": ["{KEY}"]}}'.encode()),
        reply(f"plain text with {KEY} in it".encode(), content_type="text/plain"),
    ]


class EchoingProvider:
    """Answer with each echo once, then be silent, then refuse the key."""

    def __init__(self) -> None:
        self.silent = threading.Event()
        self._left = echoes()
        self._lock = threading.Lock()

    def __call__(self, peer: Peer) -> None:
        while True:
            peer.receive()
            with self._lock:
                answer = self._left.pop(0) if self._left else None
            if answer is not None:
                peer.say(answer)
            elif not self.silent.is_set():
                self.silent.set()
                peer.be_silent()
            else:
                words = f"Incorrect API key provided: {KEY}"
                peer.say(message_reply(words, "401 Unauthorized"))


def buy_from(url: str, folder: Path, program: list[str]) -> subprocess.Popen[str]:
    lines = [f"r{index},lamp {index}" for index in range(len(echoes()) + 4)]
    (folder / "m.csv").write_text("\n".join(["id,prompt", *lines, ""]))
    options = ["--provider", "aimlapi", "--base-url", url, "--yes"]
    calm = ["--concurrency", "1", "--max-attempts", "1", "--on-unknown", "hold"]
    return subprocess.Popen(
        [*program, "run", "m.csv", *options, *calm],
        cwd=folder,
        env=environment(KEY),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def meet_every_echo(folder: Path, program: list[str]) -> dict[str, set[str]]:
    """Meet every echo, be killed, carry on to the refusal; return what leaked."""
    provider = EchoingProvider()
    with ScriptedServer(*[provider] * 30) as server:
        with buy_from(server.url, folder, program) as killed:
            assert provider.silent.wait(TIMEOUT_S)
            killed.kill()
            streams = killed.communicate(timeout=TIMEOUT_S)
        assert (folder / "out/m/run.db-wal").stat().st_size > 0
        leaked = leaks(folder, *streams)
        with buy_from(server.url, folder, program) as refused:
            streams = refused.communicate(timeout=TIMEOUT_S)
        assert refused.returncode == 5, streams
    assert {r.headers["authorization"] for r in server.requests} == {f"Bearer {KEY}"}
    return leaked | leaks(folder, *streams)


def test_a_key_that_is_echoed_is_in_nothing_that_is_written(tmp_path: Path) -> None:
    assert meet_every_echo(tmp_path, COMMAND) == {}

    rows = pl.read_parquet(tmp_path / "out/m/results.parquet")
    assert "[key]" in " ".join(row for row in rows["message"] if row)
    for command in ("status", "report", "retry"):
        ended = batchgen(command, "out/m", at=tmp_path, key=KEY)
        assert leaks(tmp_path, ended.stdout, ended.stderr) == {}


def test_without_scrubbing_the_same_run_would_give_the_key_away(tmp_path: Path) -> None:
    leaked = meet_every_echo(tmp_path, UNSCRUBBED)

    assert {"table", "ledger", "run.log", "stream 1"} <= set(leaked)
    assert any(name.startswith("run.db") for name in leaked)


# -- the sandbox, with everything that it can do wrong


@pytest.mark.parametrize("provider", ["aimlapi", "foxapi"])
def test_a_stormy_run_leaves_no_key_behind(tmp_path: Path, provider: str) -> None:
    with start_sandbox(tmp_path / "sandbox", latency=0, faults="storm") as sandbox:
        shop = Shop(sandbox, tmp_path, provider)
        shop.catalogue(30)
        ended = shop.run("m.csv", "--yes", "--max-attempts", "9", "--max-unknown", "9")
        sandbox.queue_fault(provider, "wrong_key", 3)
        shop.catalogue(33)
        refused = shop.run("m.csv", "--yes", "--concurrency", "1")
        rehearsed = shop.run("m.csv", "--rehearse", "--limit", "3")

    assert ended.code in (0, 3)
    assert refused.code == 5
    assert "[key]" in refused.stderr
    streams = [ended.stdout, ended.stderr, refused.stdout, refused.stderr]
    assert leaks(tmp_path, *streams, rehearsed.stdout, rehearsed.stderr) == {}


def test_the_search_finds_a_key_wherever_it_is_hidden(tmp_path: Path) -> None:
    pl.DataFrame({"m": [f"..{KEY[3:13]}.."]}).write_parquet(
        tmp_path / "results.parquet", compression="zstd"
    )
    with zipfile.ZipFile(tmp_path / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.jsonl", f"{KEY} " * 9)
    with closing(sqlite3.connect(tmp_path / "run.db")) as ledger:
        ledger.execute("CREATE TABLE t (x)")
        ledger.execute("INSERT INTO t VALUES (?)", (KEY.upper(),))
        ledger.commit()
    (tmp_path / "run.log").write_text(f"words={KEY[-PART:]}")

    leaked = leaks(tmp_path, f"stopped: {KEY}")

    assert {"table", "metadata.jsonl", "ledger", "run.log", "stream 0"} <= set(leaked)
    assert os.sep not in "".join(leaked)


def test_an_id_that_shares_a_few_letters_with_a_key_by_chance_is_kept() -> None:
    redactor = Redactor(["rk_5f0c1e7a9d3b48268ae4f7c2d19b6035"])

    assert redactor.redact_id("77e10c1e-5f0c1-4a9d3b") == "77e10c1e-5f0c1-4a9d3b"
    assert redactor.redact_id("req-0C1E7A9D-1") == "[key]"
