"""Rows that come while a run goes on."""

from __future__ import annotations

import subprocess
import sys
from contextlib import aclosing

import anyio
import polars as pl
import pytest

import batchgen
from batchgen import Job, ResultRow, Status
from batchgen.sandbox import SandboxProcess
from tests.api.conftest import KEYS, job_at, products

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


async def all_of(job: Job) -> list[ResultRow]:
    return [row async for row in batchgen.stream(job, keys=KEYS)]


@BACKENDS
def test_each_row_comes_once_and_comes_again_when_it_ended_earlier(
    sandbox: SandboxProcess, frame: pl.DataFrame, backend: str
) -> None:
    job = job_at(sandbox, frame)

    for _ in range(2):
        rows = anyio.run(all_of, job, backend=backend)

        assert sorted(row.id for row in rows) == ["sku-0", "sku-1", "sku-2"]
        assert {row.status for row in rows} == {Status.SUCCEEDED}
        assert all(row.files for row in rows)


@BACKENDS
def test_who_leaves_early_stops_the_run(slow: SandboxProcess, backend: str) -> None:
    job = job_at(slow, products(6), concurrency=1)

    async def first() -> ResultRow:
        async with aclosing(batchgen.stream(job, keys=KEYS)) as stream:
            async for row in stream:
                return row
        raise AssertionError("no row came")

    row = anyio.run(first, backend=backend)

    status = batchgen.open("out/cups").status
    assert row.status is Status.SUCCEEDED
    assert not status.is_running
    assert status.rows[Status.PENDING]
    assert not status.at_risk_usd


def test_what_stops_the_run_is_raised_behind_the_last_row(
    sandbox: SandboxProcess, frame: pl.DataFrame
) -> None:
    rows: list[ResultRow] = []

    async def main() -> None:
        async for row in batchgen.stream(
            job_at(sandbox, frame, max_cost=0.2, concurrency=1), keys=KEYS
        ):
            rows.append(row)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(batchgen.BudgetReached):
        anyio.run(main)

    assert [row.id for row in rows] == ["sku-0"]


def test_consent_is_needed_here_too(
    sandbox: SandboxProcess, frame: pl.DataFrame
) -> None:
    url = sandbox.provider_url("aimlapi")
    job = Job(frame, provider="aimlapi", base_url=url, out="out/cups")

    with pytest.raises(batchgen.UsageError, match="`yes=True`"):
        anyio.run(all_of, job)


SCRIPT = """
import asyncio, sys
import polars as pl
import batchgen

frame = pl.DataFrame({"id": [f"sku-{n}" for n in range(20)], "prompt": ["a cup"] * 20})
job = batchgen.Job(
    frame, provider="aimlapi", base_url=sys.argv[1], out="out/cups", max_cost=5,
    concurrency=2,
)

async def main():
    async for row in batchgen.stream(job, keys={"aimlapi": sys.argv[2]}):
        raise ZeroDivisionError("of the consumer")

asyncio.run(main())
"""


def test_a_process_that_an_error_ends_waits_for_what_its_stream_sent(
    slow: SandboxProcess,
) -> None:
    url = slow.provider_url("aimlapi")

    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, url, KEYS["aimlapi"]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "ZeroDivisionError: of the consumer" in ended.stderr
    status = batchgen.open("out/cups").status
    assert not status.is_running
    assert not status.at_risk_usd
    assert status.rows[Status.PENDING] > 10
