"""What arrives is held within a budget, however much comes at once."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import anyio
import polars as pl
import pytest

from batchgen.model import State, Status
from batchgen.output.archive import Archive
from batchgen.runner.folder import read_ledger
from batchgen.wire import MemoryBudget, MemoryLease
from tests.runs.desk import Desk
from tests.runs.shop import PNG, Answer, Request, Shop, as_json
from tests.wire.server import Peer, ScriptedServer, reply

MB = 1024 * 1024
ROWS = 60
REPLY_BYTES = 20 * MB

MEASURED = """
from batchgen.cli import main
try:
    main()
finally:
    print(open("/proc/self/status").read())
"""
"""The command, and what the system says of its memory at the end."""


class Studio:
    """A provider whose replies all begin when the last request has come."""

    def __init__(self, image: bytes, *, inline: bool) -> None:
        self._together = threading.Barrier(ROWS)
        self._image = image
        self._inline = inline
        self._text = base64.b64encode(image).decode() if inline else ""
        self.server = ScriptedServer(self._serve)
        self._downloads = reply(image, content_type="image/png")
        self._sale = self._sold()

    def _sold(self) -> bytes:
        link = f"{self.server.url}/images/1.png"
        entry = {"b64_json": self._text} if self._inline else {"url": link}
        usage = {"usage": {"credits_used": 100}}
        return reply(json.dumps({"data": [entry], "meta": usage}).encode())

    def _serve(self, peer: Peer) -> None:
        while True:
            request = peer.receive()
            if request.line.startswith("POST"):
                self._together.wait()
                peer.say(self._sale)
            else:
                peer.say(self._downloads)


def run(folder: Path, studio: Studio) -> int:
    """Run a job of sixty rows with a budget of 64 MB; return its peak in bytes."""
    folder.mkdir()
    rows = {"id": [f"row-{index}" for index in range(ROWS)], "prompt": ["a cup"] * ROWS}
    pl.DataFrame(rows).write_csv(folder / "rows.csv")
    (folder / "job.toml").write_text(
        'manifest = "rows.csv"\nprovider = "aimlapi"\nout = "out"\nmax_cost = 100\n'
        f'base_url = "{studio.server.url}/aimlapi"\nconcurrency = {ROWS}\nmemory = 64\n'
    )
    with studio.server:
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, "run", str(folder / "job.toml")],
            env={"AIMLAPI_API_KEY": "sk-test", "BATCHGEN_LOOPBACK_ONLY": "1"},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    peak = done.stdout.split("VmHWM:")[1].split()[0]
    return int(peak) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells it")
@pytest.mark.parametrize("inline", [True, False], ids=["inline", "links"])
def test_sixty_replies_at_once_take_little_more_than_the_budget(
    tmp_path: Path, *, inline: bool
) -> None:
    image = PNG + bytes(REPLY_BYTES * 3 // 4 if inline else REPLY_BYTES)
    idle = run(tmp_path / "small", Studio(PNG, inline=inline))

    busy = run(tmp_path / "large", Studio(image, inline=inline))

    out = tmp_path / "large" / "out"
    table = pl.read_parquet(out / "results.parquet")
    with zipfile.ZipFile(out / "images.zip") as archive:
        stored = [
            member for member in archive.infolist() if member.filename.endswith(".png")
        ]
        assert {image.file_size for image in stored} == {len(image)}
    shutil.rmtree(out)
    assert len(stored) == ROWS
    assert table["status"].to_list() == ["succeeded"] * ROWS
    assert table["at_risk_usd"].sum() == 0
    assert busy - idle < 3 * 64 * MB


@pytest.mark.anyio
async def test_downloads_wait_while_the_disk_is_slow_and_all_are_stored(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.provider = "aimlapi"
    desk.write("a", "b", "c")
    shop.buy = shop.sells(100)
    picture = PNG + bytes(700_000)
    shop.image = lambda _: Answer(200, picture, {"content-type": "image/png"})
    disk_goes_on, waiting = threading.Event(), []
    sync, wait = Archive.sync, MemoryBudget.wait

    def slow_sync(archive: Archive) -> None:
        assert disk_goes_on.wait(timeout=60), "nobody waits for memory"
        sync(archive)

    async def watched(
        memory: MemoryBudget, lease: MemoryLease, size_bytes: int
    ) -> None:
        waiting.append(size_bytes)
        if len(waiting) == 2:
            disk_goes_on.set()
        await wait(memory, lease, size_bytes)

    monkeypatch.setattr(Archive, "sync", slow_sync)
    monkeypatch.setattr(MemoryBudget, "wait", watched)

    outcome = await desk.run(memory_mb=1, terms=desk.wide("aimlapi", 3))

    assert outcome.totals is not None
    assert outcome.totals.rows[Status.SUCCEEDED] == 3
    assert waiting == [len(picture)] * 2
    assert len(shop.downloads) == 3


@pytest.mark.anyio
async def test_images_within_polls_are_counted_until_they_are_stored(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write("a", "b")
    picture = PNG + bytes(700_000)
    uri = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    disk_goes_on, polled = threading.Event(), threading.Event()
    sync, wait = Archive.sync, MemoryBudget.wait

    def complete(request: Request) -> Answer:
        if request.name == "task-2" and not polled.is_set():
            return shop.running(request)  # until the other one's image is here
        document = {
            "id": request.name,
            "status": "completed",
            "results": [{"url": uri}],
        }
        return as_json(document)

    def slow_sync(archive: Archive) -> None:
        polled.set()
        assert disk_goes_on.wait(timeout=20), "nobody waits for memory"
        sync(archive)

    async def watched(
        memory: MemoryBudget, lease: MemoryLease, size_bytes: int
    ) -> None:
        disk_goes_on.set()
        await wait(memory, lease, size_bytes)

    shop.poll = complete
    monkeypatch.setattr(Archive, "sync", slow_sync)
    monkeypatch.setattr(MemoryBudget, "wait", watched)

    outcome = await desk.run(memory_mb=1, terms=desk.wide("foxapi", 2))

    assert outcome.totals is not None
    assert outcome.totals.rows[Status.SUCCEEDED] == 2


@pytest.mark.anyio
async def test_a_delivery_that_fills_the_memory_still_gets_its_link(
    desk: Desk, shop: Shop
) -> None:
    desk.provider = "aimlapi"
    desk.write_columns(prompt=["a"], n=[2])
    picture = PNG + bytes(700_000)
    sells = shop.sells(100, "1.png", "2.png")

    def half_by_link(request: Request) -> Answer:
        body = sells(request).body
        assert isinstance(body, bytes)
        document = json.loads(body)
        document["data"][0] = {"b64_json": base64.b64encode(picture).decode()}
        return as_json(document)

    shop.buy = half_by_link
    shop.image = lambda _: Answer(200, picture, {"content-type": "image/png"})
    terms = desk.wide("aimlapi", 1, images_per_request=2)

    with anyio.fail_after(30):
        await desk.run(memory_mb=1, terms=terms)

    assert len(desk.row()["files"]) == 2
    desk.check_money()


@pytest.mark.anyio
async def test_each_image_of_an_attempt_is_kept_as_it_comes(
    desk: Desk, shop: Shop
) -> None:
    desk.provider = "aimlapi"
    desk.write_columns(prompt=["a"], n=[2])
    shop.buy = shop.sells(100, "1.png", "2.png")
    states: list[tuple[State, set[int], int]] = []

    def look(request: Request) -> Answer:
        ledger = read_ledger(desk.out)
        (attempt,) = ledger.attempts_of(1)
        links = ledger.links(attempt.attempt_id)
        states.append((attempt.state, ledger.stored_images(1), len(links)))
        ledger.close()
        return Answer(200, PNG, {"content-type": "image/png"})

    shop.image = look
    terms = desk.wide("aimlapi", 1, images_per_request=2)

    await desk.run(terms=terms)

    assert states == [(State.DELIVERED, set(), 2), (State.DELIVERED, {1}, 1)]
    assert [attempt.state for attempt in desk.attempts()] == [State.STORED]
    assert len(desk.row()["files"]) == 2
    desk.check_money()


@pytest.mark.anyio
async def test_an_image_that_is_lost_takes_none_of_its_attempt_with_it(
    desk: Desk, shop: Shop
) -> None:
    desk.provider = "aimlapi"
    desk.write_columns(prompt=["a"], n=[3])
    shop.buy = shop.sells(100, "1.png", "2.png", "3.png")
    shop.image = lambda request: (
        Answer(404) if request.name == "2.png" else Answer(200, PNG)
    )
    terms = desk.wide("aimlapi", 1, images_per_request=3)

    await desk.run(terms=terms)

    row = desk.row()
    assert [file["image"] for file in row["files"]] == [1, 3]
    assert (row["status"], row["error"]) == ("failed", "link_lost")
    assert len(shop.buys) == 1
    desk.check_money()
