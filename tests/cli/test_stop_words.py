"""What a stop says, by what stopped the run and by what is under way."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchgen.cli.signals import stopped_now_line, stopping_line
from batchgen.ledger import OpenAttempts
from batchgen.model import State
from batchgen.runner.progress import Stop, count_open_attempts


@pytest.mark.parametrize(
    ("stop", "line"),
    [
        pytest.param(
            Stop("SIGINT", 16, 60.0),
            "stopping: waiting up to 60 s for 16 requests already sent. Ctrl-C again "
            "stops now; whether those are charged is then unknown",
            id="ctrl-c",
        ),
        pytest.param(
            Stop("SIGTERM", 1, 2.5),
            "stopping: waiting up to 2.5 s for 1 request already sent. Ctrl-C stops "
            "now; whether that one is charged is then unknown",
            id="request to end",
        ),
        pytest.param(
            Stop("SIGINT", 2, 0.0),
            "stopping: not waiting for 2 requests already sent; whether those are "
            "charged is unknown",
            id="no grace",
        ),
        pytest.param(
            Stop("SIGINT", 0, 60.0),
            "stopping: no request waits for an answer",
            id="nothing sent",
        ),
        pytest.param(
            Stop("SIGINT", 0, 60.0, tasks=3),
            "stopping: 3 accepted tasks are still being made; the next run fetches "
            "them",
            id="tasks alone",
        ),
    ],
)
def test_a_stop_says_what_is_waited_for(stop: Stop, line: str) -> None:
    assert stopping_line(stop) == line


def left(attempts: int, ceiling: int = 0, unpriced: int = 0) -> OpenAttempts:
    return OpenAttempts(attempts=attempts, ceiling=ceiling, unpriced=unpriced)


def test_a_stop_at_once_tells_requests_from_tasks_and_from_what_is_paid() -> None:
    all_of_it = {
        State.SENT: left(4, 360_000_000, 1),
        State.ACCEPTED: left(2, 80_000_000),
        State.DELIVERED: left(1),
    }

    assert stopped_now_line(all_of_it, pretend=False) == (
        "stopped now. 4 requests had no answer yet and may be charged ($0.36 at risk, "
        "and 1 request without a known price). 2 accepted tasks are still being made; "
        "the next run fetches them. The next run downloads the images of 1 purchase"
    )
    assert stopped_now_line({}, pretend=False) == (
        "stopped now. Everything paid for is kept"
    )
    assert "may be charged" in stopped_now_line(None, pretend=False)


def test_a_ledger_that_cannot_be_read_keeps_nobody_from_stopping(
    tmp_path: Path,
) -> None:
    assert count_open_attempts(tmp_path / "run.db") is None
    assert not (tmp_path / "run.db").exists()
