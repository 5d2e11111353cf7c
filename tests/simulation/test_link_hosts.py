"""Links whose host takes no connection, in virtual time: minutes, not hours."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import httpx
import polars as pl
import pytest

from batchgen.cli.meter import Meter, View
from batchgen.errors import LinksUnreachable
from batchgen.model import Job, Status, Terms
from batchgen.providers.aimlapi import AimlApi
from batchgen.runner.config import RunResult
from batchgen.runner.progress import Progress
from tests.drive import run_job
from tests.runs.desk import statuses
from tests.simulation.answer import draw_png
from tests.simulation.schedule import BEGAN
from tests.virtual import live_through

HOST = "http://127.0.0.1:9"
GONE = "http://127.0.0.1:1"
MINUTE_S = 60.0
ROWS = 24
IN_FLIGHT = 4


def refused() -> Exception:
    return ConnectionRefusedError(111, "Connection refused")


def unknown_name() -> Exception:
    return socket.gaierror(-2, "Name or service not known")


@dataclass
class Sellers(httpx.AsyncBaseTransport):
    """A provider that sells at once, and hosts of images, one of which may be gone.

    Attributes:
        is_there: Whether the image of a row is at the host that answers.
        failure: Why nobody connects to the other host.
    """

    is_there: Callable[[int], bool]
    failure: Callable[[], Exception] | None = refused
    bought: Counter[str] = field(default_factory=Counter)
    tried: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if str(request.url).startswith(GONE):
            self.tried += 1
            await anyio.sleep(0.01)
            if self.failure is not None:
                cause = self.failure()
                raise httpx.ConnectError(str(cause)) from cause
        request.extensions.get("on_sent", lambda: None)()
        if request.method == "POST":
            body = b"".join([part async for part in request.stream])  # type: ignore[union-attr]
            return await self._sell(json.loads(body)["prompt"], request)
        await anyio.sleep(1.0)
        image = draw_png(request.url.path)
        return httpx.Response(
            200,
            headers={"content-type": "image/png", "content-length": str(len(image))},
            content=image,
            request=request,
        )

    async def _sell(self, prompt: str, request: httpx.Request) -> httpx.Response:
        self.bought[prompt] += 1
        await anyio.sleep(10.0)
        number = int(prompt.rpartition(" ")[2])
        host = HOST if self.is_there(number) else GONE
        document = {
            "data": [{"url": f"{host}/images/{number}.png"}],
            "meta": {"usage": {"credits_used": 100_000}},
        }
        return httpx.Response(200, json=document, request=request)


@dataclass
class Desk:
    """A job in a folder, run as often as a test wants, in virtual time."""

    folder: Path
    sellers: Sellers
    rows: int = ROWS
    notices: list[str] = field(default_factory=list)
    took_s: float = 0.0
    outcome: RunResult | None = None
    views: list[View] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def run(self) -> RunResult:
        prompts = [f"cup {number}" for number in range(self.rows)]
        source = self.folder / "rows.csv"
        pl.DataFrame({"prompt": prompts}).write_csv(source)
        live_through(self._run)
        assert self.outcome is not None
        return self.outcome

    async def _run(self) -> None:
        terms = Terms(base_url=f"{HOST}/aimlapi", concurrency=IN_FLIGHT)
        source = self.folder / "rows.csv"
        job = Job(
            source=source,
            manifest=source,
            out=self.out,
            providers=("aimlapi",),
            terms={"aimlapi": terms},
        )
        progress = Progress(notice=self.notices.append)
        began = anyio.current_time()
        meter = Meter(progress)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, meter)
            self.outcome = await run_job(
                job,
                providers={"aimlapi": AimlApi()},
                keys={"aimlapi": "key-of-the-minutes"},
                prices={"aimlapi": AimlApi.prices},
                progress=progress,
                offload=_inline,
                transport=self.sellers,
                now=lambda: BEGAN + int(anyio.current_time() * 1e6),
                # The pauses are draw_png, and 15 minutes are near what unlucky ones add
                # up to.
                seed=7,
            )
            tasks.cancel_scope.cancel()
        self.took_s = anyio.current_time() - began

    async def _watch(self, meter: Meter) -> None:
        while True:
            self.views.append(meter.view(anyio.current_time()))
            await anyio.sleep(1.0)

    def table(self) -> list[dict[str, Any]]:
        return pl.read_parquet(self.out / "results.parquet").to_dicts()


async def _inline(work: Callable[..., Any], *args: Any, **named: Any) -> Any:
    return work(*args, **named)


@pytest.mark.parametrize("failure", [refused, unknown_name])
@pytest.mark.parametrize("share", [3, ROWS], ids=["many", "one"])
def test_links_that_never_connect_end_within_minutes_while_others_download(
    tmp_path: Path, failure: Callable[[], Exception], share: int
) -> None:
    sellers = Sellers(lambda number: number % share != 0, failure)
    desk = Desk(tmp_path, sellers)
    gone = ROWS // share

    outcome = desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: ROWS - gone, Status.FAILED: gone}
    assert desk.took_s < 15 * MINUTE_S
    failed = [row for row in desk.table() if row["status"] == "failed"]
    assert {row["error"] for row in failed} == {"link_lost"}
    assert all(row["cost_usd"] for row in failed)
    # The link is kept: a later run downloads, and buys nothing again.
    sellers.failure = None
    assert statuses(desk.run()) == {Status.SUCCEEDED: ROWS}
    assert set(sellers.bought.values()) == {1}


@pytest.mark.parametrize("failure", [refused, unknown_name])
def test_a_host_of_all_images_that_is_gone_ends_the_run_before_all_is_bought(
    tmp_path: Path, failure: Callable[[], Exception]
) -> None:
    sellers = Sellers(lambda number: False, failure)
    desk = Desk(tmp_path, sellers)

    outcome = desk.run()

    assert desk.took_s < 15 * MINUTE_S
    assert statuses(outcome) == {Status.PENDING: ROWS}
    assert [type(stop) for stop in outcome.stopped] == [LinksUnreachable]
    assert sum("127.0.0.1:1 takes no connection" in line for line in desk.notices) == 1
    assert len(sellers.bought) <= 4 * IN_FLIGHT
    sellers.failure = None
    assert statuses(desk.run()) == {Status.SUCCEEDED: ROWS}
    assert set(sellers.bought.values()) == {1}


def test_time_left_grows_only_with_the_reason_that_links_are_waited_for(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, Sellers(lambda number: number % 3 != 0))

    desk.run()

    views = [view for view in desk.views if view.left_s is not None]
    grown = [
        later
        for before, later in pairwise(views)
        if (later.left_s or 0) > (before.left_s or 0)
    ]
    assert grown
    assert all(view.left_reason for view in grown)
    assert all(view.left_reason in view.line() for view in grown)
    reasons = {view.left_reason for view in grown}
    assert any("at 127.0.0.1:1" in reason for reason in reasons)


def test_a_host_that_comes_back_within_minutes_loses_nothing(tmp_path: Path) -> None:
    sellers = Sellers(lambda number: False)
    desk = Desk(tmp_path, sellers)

    def comes_back() -> Exception:
        if sellers.tried > 60:
            sellers.failure = None
        return refused()

    sellers.failure = comes_back

    assert statuses(desk.run()) == {Status.SUCCEEDED: ROWS}
    assert set(sellers.bought.values()) == {1}


def test_the_only_row_whose_link_is_refused_ends_as_lost(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Sellers(lambda number: False), rows=1)

    outcome = desk.run()

    assert statuses(outcome) == {Status.FAILED: 1}
    assert desk.took_s < 15 * MINUTE_S
    assert desk.table()[0]["error"] == "link_lost"
