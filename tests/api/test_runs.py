"""Runs from Python code: their ends, their money, and who watches and stops them."""

from __future__ import annotations

import asyncio  # noqa: TID251 - what its tasks do when they are cancelled
import gc
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import polars as pl
import pytest

import batchgen
from batchgen import RunHandle, RunProgress, Status
from batchgen.sandbox import SandboxProcess
from tests.api.conftest import KEYS, job_at, products


def test_a_rehearsal_needs_no_key_and_has_a_folder_of_its_own(
    frame: pl.DataFrame,
) -> None:
    job = batchgen.Job(frame, provider="aimlapi", out="out/cups")
    moments: list[RunProgress] = []

    result = batchgen.run(job, rehearse=True, latency=0, on_progress=moments.append)

    assert result.rows == {Status.SUCCEEDED: 3}
    assert (result.is_complete, result.is_rehearsal, result.images) == (True, True, 3)
    assert result.spent_usd > 0
    assert result.folder.path == Path("out/cups-rehearsal").resolve()
    assert moments[-1].ended_rows == 3
    assert str(moments[-1]).startswith("writing: 3 of 3 rows")
    assert not Path("out/cups").exists()


def test_money_is_spent_with_consent_alone(
    sandbox: SandboxProcess, frame: pl.DataFrame
) -> None:
    before = len(sandbox.requests())
    url = sandbox.provider_url("aimlapi")
    job = batchgen.Job(frame, provider="aimlapi", base_url=url, out="out/cups")

    with pytest.raises(batchgen.UsageError, match="`max_cost` for a budget, or `yes"):
        batchgen.run(job, keys=KEYS)

    assert len(sandbox.requests()) == before
    assert batchgen.run(job, keys=KEYS, yes=True).is_complete
    assert len(sandbox.requests()) == before + 3


def test_a_function_can_be_asked_for_consent(
    sandbox: SandboxProcess, frame: pl.DataFrame
) -> None:
    before = len(sandbox.requests())
    url = sandbox.provider_url("aimlapi")
    job = batchgen.Job(frame, provider="aimlapi", base_url=url, out="out/cups")
    estimates: list[batchgen.Estimate] = []

    def fail(_: batchgen.Estimate) -> bool:
        raise ValueError("no terminal")

    for unclear in (estimates.append, lambda _: "yes", lambda _: 1):
        with pytest.raises(batchgen.UsageError, match="Nothing was sent"):
            batchgen.run(job, keys=KEYS, confirm=unclear)
    with pytest.raises(ValueError, match="no terminal"):
        batchgen.run(job, keys=KEYS, confirm=fail)
    assert len(sandbox.requests()) == before

    result = batchgen.run(job, keys=KEYS, confirm=lambda _: True)

    assert result.is_complete
    assert [(each.images, each.usd > 0) for each in estimates] == [(3, True)]


def test_a_key_is_needed_and_comes_from_the_environment_too(
    sandbox: SandboxProcess, frame: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_at(sandbox, frame)

    with pytest.raises(batchgen.SpecError, match="AIMLAPI_API_KEY is not set"):
        batchgen.run(job)

    assert not Path("out").exists(), "a run that did not begin leaves nothing"
    monkeypatch.setenv("AIMLAPI_API_KEY", KEYS["aimlapi"])
    assert batchgen.run(job).is_complete


def test_the_budget_ends_a_run_in_order(
    sandbox: SandboxProcess, frame: pl.DataFrame
) -> None:
    result = batchgen.run(
        job_at(sandbox, frame, max_cost=0.2, concurrency=1), keys=KEYS
    )

    assert isinstance(result.error, batchgen.BudgetReached)
    assert result.rows == {Status.SUCCEEDED: 1, Status.PENDING: 2}
    assert not result.is_complete
    with pytest.raises(batchgen.BudgetReached):
        result.raise_for_error()


def test_options_that_contradict_each_other_are_refused(frame: pl.DataFrame) -> None:
    job = batchgen.Job(frame, provider="aimlapi", out="out/cups")

    with pytest.raises(batchgen.UsageError, match="`seed` is for rehearsals"):
        batchgen.run(job, seed=1)
    with pytest.raises(batchgen.UsageError, match="`rebuy` buys changed rows again"):
        batchgen.run(job, rehearse=True, rebuy=True, keep=True)


# -- stops


def stop_when_running(handle: RunHandle) -> Any:
    def callback(progress: RunProgress) -> None:
        if progress.in_flight:
            handle.stop()

    return callback


def test_a_callback_can_stop_the_run_and_the_next_call_carries_on(
    slow: SandboxProcess,
) -> None:
    job, handle = job_at(slow, products(6), concurrency=1), RunHandle()

    stopped = batchgen.run(
        job, keys=KEYS, handle=handle, on_progress=stop_when_running(handle)
    )

    assert stopped.is_stopped
    assert sum(stopped.rows.values()) == 6
    assert stopped.rows[Status.PENDING] == 5
    assert not stopped.is_complete
    assert not stopped.at_risk_usd, "it waits for what was sent"
    assert batchgen.run(job, keys=KEYS).is_complete


def test_another_thread_can_stop_the_run_at_once(slow: SandboxProcess) -> None:
    job, handle = job_at(slow, products(3)), RunHandle()
    running = threading.Event()

    def note(progress: RunProgress) -> None:
        if progress.in_flight:
            running.set()

    def stop() -> None:
        running.wait(30)
        handle.stop_now()

    thread = threading.Thread(target=stop)
    thread.start()
    stopped = batchgen.run(job, keys=KEYS, handle=handle, on_progress=note)
    thread.join()

    assert stopped.is_stopped
    assert Status.SUCCEEDED not in stopped.rows
    assert stopped.spent_usd == 0
    assert stopped.at_risk_usd > 0, "it did not wait for what was sent"
    assert batchgen.run(job, keys=KEYS).is_complete


def test_a_stop_before_the_run_is_carried_out_when_it_begins(
    sandbox: SandboxProcess, frame: pl.DataFrame
) -> None:
    handle, before = RunHandle(), len(sandbox.requests())
    handle.stop()

    stopped = batchgen.run(job_at(sandbox, frame), keys=KEYS, handle=handle)

    assert stopped.is_stopped
    assert not stopped.is_planned
    assert not stopped.is_complete, "nobody knows its rows yet"
    assert len(sandbox.requests()) == before


def test_what_a_callback_raises_stops_the_run_and_is_raised(
    slow: SandboxProcess, frame: pl.DataFrame
) -> None:
    def fail(progress: RunProgress) -> None:
        if progress.in_flight:
            raise ZeroDivisionError

    job = job_at(slow, frame)

    with pytest.raises(ZeroDivisionError):
        batchgen.run(job, keys=KEYS, on_progress=fail)

    assert not batchgen.open("out/cups").status.at_risk_usd


# -- event loops


def test_two_runs_share_an_asyncio_loop_with_other_work(
    sandbox: SandboxProcess,
) -> None:
    results: list[batchgen.Result] = []
    ticks = 0

    async def run(number: int) -> None:
        job = batchgen.Job(
            products(3 + number),
            provider="aimlapi",
            base_url=sandbox.provider_url("aimlapi"),
            out=f"out/{number}",
        )
        results.append(await batchgen.arun(job, keys=KEYS, yes=True))

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await anyio.sleep(0.01)

    async def main() -> None:
        async with anyio.create_task_group() as others:
            others.start_soon(tick)
            async with anyio.create_task_group() as runs:
                runs.start_soon(run, 0)
                runs.start_soon(run, 1)
            others.cancel_scope.cancel()

    anyio.run(main)

    assert sorted(result.rows[Status.SUCCEEDED] for result in results) == [3, 4]
    assert ticks > 10
    for number in range(2):
        log = Path(f"out/{number}/run.log").read_text()
        assert log.count(" ended ") == 1, "each run writes its own log alone"


def test_a_run_under_trio_has_a_thread_of_its_own(
    sandbox: SandboxProcess, frame: pl.DataFrame
) -> None:
    async def main() -> batchgen.Result:
        return await batchgen.arun(job_at(sandbox, frame), keys=KEYS)

    assert anyio.run(main, backend="trio").is_complete


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_run_may_be_called_where_a_loop_runs(
    sandbox: SandboxProcess, frame: pl.DataFrame, backend: str
) -> None:
    async def main() -> batchgen.Result:
        return batchgen.run(job_at(sandbox, frame), keys=KEYS)

    assert anyio.run(main, backend=backend).is_complete


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_run_ends_and_the_next_one_carries_on(
    slow: SandboxProcess, backend: str
) -> None:
    job, running = job_at(slow, products(3)), threading.Event()

    def note(progress: RunProgress) -> None:
        if progress.in_flight:
            running.set()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: batchgen.arun(job, keys=KEYS, on_progress=note))
            await anyio.to_thread.run_sync(running.wait, 30)
            tasks.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    for _ in range(100):
        if not batchgen.open("out/cups").status.is_running:
            break
        threading.Event().wait(0.1)

    result = batchgen.run(job, keys=KEYS)

    assert result.is_complete


@pytest.mark.parametrize("wait_s", [0, 0.05])
def test_a_run_that_is_cancelled_while_its_folder_opens_leaves_the_folder(
    frame: pl.DataFrame, wait_s: float
) -> None:
    job = batchgen.Job(frame, provider="aimlapi", out="out/cups")

    async def main() -> batchgen.Result:
        task = asyncio.create_task(batchgen.arun(job, rehearse=True, latency=0))
        await asyncio.sleep(wait_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await batchgen.arun(job, rehearse=True, latency=0)

    assert asyncio.run(main()).is_complete


def test_an_exit_in_a_callback_waits_for_what_was_sent(slow: SandboxProcess) -> None:
    def leave(progress: RunProgress) -> None:
        if progress.in_flight:
            raise SystemExit(7)

    with pytest.raises(SystemExit, match="7"):
        batchgen.run(
            job_at(slow, products(6), concurrency=1), keys=KEYS, on_progress=leave
        )

    status = batchgen.open("out/cups").status
    assert status.rows[Status.SUCCEEDED] == 1
    assert not status.at_risk_usd


@pytest.mark.parametrize("backend", [None, "trio"])
def test_ctrl_c_ends_a_run_and_nothing_is_bought_behind_it(
    slow: SandboxProcess, backend: str | None
) -> None:
    job, once = job_at(slow, products(6), concurrency=1), [signal.SIGINT]

    def interrupt(progress: RunProgress) -> None:
        if progress.in_flight and once:
            os.kill(os.getpid(), once.pop())

    def run() -> batchgen.Result:
        return batchgen.run(job, keys=KEYS, on_progress=interrupt)

    async def run_in_loop() -> batchgen.Result:
        return run()

    with pytest.raises(KeyboardInterrupt):
        run() if backend is None else anyio.run(run_in_loop, backend=backend)

    status = batchgen.open("out/cups").status
    assert not status.is_running
    assert status.rows[Status.PENDING] >= 5
    assert batchgen.run(job, keys=KEYS).is_complete


def test_a_run_leaves_the_process_as_it_was(
    sandbox: SandboxProcess, frame: pl.DataFrame
) -> None:
    def state() -> tuple[object, ...]:
        handlers = [signal.getsignal(number) for number in (2, 15, 1)]
        loggers = [logging.getLogger(), logging.getLogger("batchgen.run")]
        levels = [(logger.level, [*logger.handlers]) for logger in loggers]
        frozen, interval = gc.get_freeze_count(), sys.getswitchinterval()
        return handlers, levels, logging.raiseExceptions, frozen, interval

    before = state()

    batchgen.run(job_at(sandbox, frame), keys=KEYS)

    assert state() == before
