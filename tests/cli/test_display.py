"""What progress says, worked out from the counters alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import anyio
import pytest

from batchgen.cli.display import LineDisplay, progress_fields
from batchgen.cli.json_writer import exact_json
from batchgen.cli.meter import Meter
from batchgen.model import Status
from batchgen.runner.progress import Progress
from tests.virtual import live_through

CENT = 10_000_000


@pytest.fixture
def progress() -> Progress:
    started = Progress(total=10, phase="running", spent=100 * CENT)
    started.rows[Status.PENDING] = 10
    return started


def succeed(progress: Progress, rows: int, images: int, cents: int) -> None:
    progress.stored_images += images
    progress.spent += cents * CENT
    for _ in range(rows):
        progress.count_status(Status.SUCCEEDED)


def test_time_left_counts_rows_and_pace_counts_images(progress: Progress) -> None:
    meter = Meter(progress)
    meter.view(0.0)

    succeed(progress, rows=2, images=8, cents=32)
    view = meter.view(10.0)

    assert (view.ended, view.rows[Status.PENDING]) == (2, 8)
    assert view.per_minute == pytest.approx(48.0)
    assert view.left_s == pytest.approx(40.0)


def test_the_projection_adds_what_is_left_to_what_the_folder_cost(
    progress: Progress,
) -> None:
    meter = Meter(progress)
    meter.view(0.0)

    succeed(progress, rows=2, images=8, cents=32)
    view = meter.view(10.0)

    assert view.projected == (100 + 32 + 8 * 16) * CENT


def test_rows_that_cannot_run_are_done_with_and_no_measure_of_pace(
    progress: Progress,
) -> None:
    meter = Meter(progress)
    meter.view(0.0)

    progress.count_status(Status.INVALID)
    view = meter.view(10.0)

    assert (view.ended, view.rows[Status.PENDING]) == (1, 9)
    assert "1 of 10 rows, 1 invalid, " in view.line()
    assert "failed" not in view.line()
    assert view.left_s is None
    assert view.projected is None


def test_the_pace_is_that_of_the_last_minute(progress: Progress) -> None:
    progress.total = 100
    meter = Meter(progress)
    meter.view(0.0)
    succeed(progress, rows=50, images=50, cents=200)
    meter.view(30.0)

    succeed(progress, rows=6, images=6, cents=24)
    meter.view(95.0)

    assert meter.view(130.0).per_minute == pytest.approx(6 / 100 * 60)


def test_a_job_of_few_images_an_hour_has_a_pace_too(progress: Progress) -> None:
    meter = Meter(progress)
    meter.view(0.0)
    for hour in range(1, 4):
        succeed(progress, rows=1, images=1, cents=4)
        meter.view(hour * 3600.0)

    view = meter.view(3 * 3600.0)

    assert view.per_minute == pytest.approx(1 / 60)
    assert view.left_s == pytest.approx(7 * 3600)


def test_a_line_rounds_money_and_json_does_not(progress: Progress) -> None:
    progress.spent, progress.at_risk = 1_234_567_891, 5_000_001
    view = Meter(progress).view(0.0)

    assert "$1.23" in view.line()
    assert "$0.01 at risk" in view.line()
    fields = progress_fields(view, datetime(2026, 11, 21, tzinfo=UTC))
    assert fields["spent_usd"] == Decimal("1.234567891")
    assert fields["at_risk_usd"] == Decimal("0.005000001")
    line = json.loads(exact_json(fields), parse_float=Decimal)
    assert line["spent_usd"] == fields["spent_usd"]
    assert line["at"] == "2026-11-21T00:00:00Z"


def test_planning_tells_how_many_rows_were_read() -> None:
    assert Meter(Progress(phase="planning")).view(0.0).line() == "planning"
    reading = Progress(phase="planning", total=12_000)
    assert Meter(reading).view(0.0).line() == "planning: 12000 rows read"
    reading.total = 1
    assert Meter(reading).view(0.0).line() == "planning: 1 row read"


def test_a_state_has_the_same_word_as_in_the_summary(progress: Progress) -> None:
    statuses = [status for status in Status if status is not Status.PENDING]
    for status in statuses:
        progress.count_status(status)

    line = Meter(progress).view(0.0).line()

    summary = ", ".join(f"1 {status.value}" for status in statuses)
    assert line.startswith(f"running: 5 of 10 rows, {summary}, 0 in flight")


@pytest.mark.parametrize(
    ("seconds", "clock"), [(5.0, "0:05 left"), (3_725.0, "1:02:05 left")]
)
def test_time_left_is_told_as_a_clock(
    progress: Progress, seconds: float, clock: str
) -> None:
    meter = Meter(progress)
    meter.view(0.0)
    succeed(progress, rows=5, images=5, cents=20)

    assert clock in meter.view(seconds).line()


def test_lines_of_a_run_that_waits_still_say_each_minute_that_it_lives(
    progress: Progress, capsys: pytest.CaptureFixture[str]
) -> None:
    async def watch() -> None:
        with anyio.move_on_after(305.0):
            await LineDisplay().show(progress)

    live_through(watch)

    lines = capsys.readouterr().err.splitlines()
    assert 6 <= len(lines) <= 8
    assert len(set(lines)) == 1


def test_no_line_counts_rows_before_any_was_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def shown() -> None:
        progress = Progress(phase="running")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(LineDisplay().show, progress)
            await anyio.sleep(1)
            progress.total = 4
            await anyio.sleep(1)
            tasks.cancel_scope.cancel()

    live_through(shown)

    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["running: 0 of 4 rows"]
