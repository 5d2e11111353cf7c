"""What a limit on files leaves is shared out, and a want of sockets is no outage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from batchgen.errors import SpecError
from batchgen.limits import MAX_CONCURRENCY
from batchgen.model import Job, Status, Terms
from batchgen.providers import PROVIDERS
from batchgen.runner.capacity import MAX_FILES, Capacity, capacity_of
from batchgen.wire.send_tracker import SendTracker
from batchgen.wire.sockets import NoSocket
from batchgen.wire.transport import AiohttpTransport
from tests.runs.desk import Desk, statuses
from tests.runs.desk import rows as prompts
from tests.runs.shop import Answer, Request, refused

OPEN = 14
FILES = Path("/proc/self/fd")


def job(**at_once: int) -> Job:
    path = Path("m.csv").absolute()
    return Job(
        source=path,
        manifest=path,
        out=path.parent,
        providers=tuple(at_once),
        terms={name: Terms(concurrency=count) for name, count in at_once.items()},
    )


def capacity(limit: int, job: Job) -> Capacity:
    return capacity_of(job, PROVIDERS, limit=limit, already_open=OPEN)


@pytest.mark.parametrize("limit", [48, 64, 100, 256, 1024, 2048, 4096])
@pytest.mark.parametrize(
    "at_once",
    [
        pytest.param({"gemini": 2000}, id="one"),
        pytest.param({"gemini": 2000, "foxapi": 10, "openai": 300}, id="three"),
    ],
)
def test_nothing_is_given_away_twice(limit: int, at_once: dict[str, int]) -> None:
    limits = capacity(limit, job(**at_once))

    together = sum(limits.purchases.values())
    sockets = limits.sockets
    assert together + sockets.others + sockets.kept_alive <= sockets.total
    assert sockets.total + OPEN < limit
    assert sockets.others >= 1
    assert all(
        0 < limits.purchases[name] <= purchases for name, purchases in at_once.items()
    )
    assert (limits.notice is None) == (together == sum(at_once.values()))


def test_with_plenty_all_is_as_the_job_says() -> None:
    limits = capacity(65_536, job(gemini=2000))

    assert limits.purchases == {"gemini": 2000}
    assert limits.notice is None


def test_a_limit_to_be_found_is_looked_for_below_what_there_is() -> None:
    auto = replace(job(gemini=1), terms={"gemini": Terms(concurrency="auto")})

    assert capacity(65_536, auto).purchases == {"gemini": MAX_CONCURRENCY}
    assert capacity(256, auto).purchases["gemini"] < 256 - OPEN


def test_the_words_name_what_is_wanted_what_there_is_and_what_to_do() -> None:
    limits = capacity(1024, job(gemini=2000))

    assert limits.notice is not None
    purchases = limits.purchases["gemini"]
    needed = OPEN + MAX_FILES + 2000 + 16 + 32 + 8
    assert limits.notice.startswith("2,000 purchases at a time need 2,134 open files")
    assert (
        f"may open 1,024 files, so at most {purchases} are made at a time"
        in limits.notice
    )
    assert f"ulimit -n {needed}`" in limits.notice
    assert capacity(needed, job(gemini=2000)).notice is None


def test_where_nothing_fits_the_job_is_refused() -> None:
    with pytest.raises(SpecError, match="may open 40 files, and a run needs at least"):
        capacity(40, job(gemini=1))


@pytest.mark.anyio
@pytest.mark.skipif(not FILES.exists(), reason="only Linux lists files by their names")
async def test_the_zip_is_open_before_anything_is_bought(desk: Desk) -> None:
    sell, opened = desk.shop.buy, []

    def look_and_sell(request: Request) -> Answer:
        names = {path.readlink().name for path in FILES.iterdir() if path.is_symlink()}
        opened.append("images.zip" in names)
        return sell(request)

    desk.shop.buy = look_and_sell

    await desk.run()

    assert opened == [True]


@pytest.mark.anyio
async def test_a_zip_into_which_nothing_came_is_not_left(desk: Desk) -> None:
    desk.shop.buy = lambda _: refused(400)

    await desk.run()

    assert not (desk.out / "images.zip").exists()


@pytest.mark.anyio
async def test_a_want_of_sockets_is_no_outage_and_costs_no_row(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = 12
    send = AiohttpTransport._send

    async def lacking(
        transport: AiohttpTransport,
        request: httpx.Request,
        tracker: SendTracker,
        connect_s: float | None,
    ) -> object:
        nonlocal refusals
        if request.method == "POST" and refusals:
            refusals -= 1
            raise NoSocket("no more files can be opened")
        return await send(transport, request, tracker, connect_s)

    monkeypatch.setattr(AiohttpTransport, "_send", lacking)
    monkeypatch.setattr("batchgen.admission.provider_health.SILENT_S", 0.01)
    desk.write(*prompts(6))

    outcome = await desk.run(terms=desk.wide("foxapi", 6))

    assert statuses(outcome) == {Status.SUCCEEDED: 6}
    assert len(desk.shop.buys) == 6
    assert all(row["at_risk_attempts"] == 0 for row in desk.table())
    desk.check_money()
    (notice,) = [notice for notice in desk.notices if "no more files" in notice]
    assert "Rows wait, and carry on by themselves" in notice
    assert not [notice for notice in desk.notices if "does not answer" in notice]
