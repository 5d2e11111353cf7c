"""Run a job, real or as a rehearsal, and show its progress."""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

import anyio
import click

from batchgen.admission.reference_uploads import UNTRIED
from batchgen.api.runs import run_to_end
from batchgen.budget import limits_of
from batchgen.checks.findings import Cost
from batchgen.cli.carry_on import current_arguments, current_command
from batchgen.cli.display import Display
from batchgen.cli.formatting import counted
from batchgen.cli.messages import uses_json_lines, write_error, write_notice
from batchgen.cli.signals import default_ctrl_c, watch_signals
from batchgen.cli.summary import End, RehearsalResult
from batchgen.errors import (
    LedgerMissing,
    SpecError,
    StorageError,
    UsageError,
)
from batchgen.ledger import Reader
from batchgen.ledger.estimate import Estimate
from batchgen.ledger.outstanding import planned_sales
from batchgen.model import Job, dollars, find_price
from batchgen.open_files import raise_limit
from batchgen.planning.own_address import is_own_address
from batchgen.planning.routing import unpriced_message
from batchgen.providers import PROVIDERS, key_variable
from batchgen.runner.access import base_url_of, no_base_url, prices_of
from batchgen.runner.config import RunOptions, RunResult
from batchgen.runner.credentials import known_keys
from batchgen.runner.folder import REHEARSAL_SUFFIX
from batchgen.runner.handle import RunHandle
from batchgen.runner.notices import network_problems, notices_of
from batchgen.runner.session import (
    Caller,
    Crash,
    Session,
    open_session,
)
from batchgen.wire import check_base_url

if TYPE_CHECKING:
    from batchgen.sandbox import SandboxProcess

SWITCH_S = 0.0005
"""Longest wait of the writing thread for a busy event loop. Python's own 5 ms would be
waited for twice in each commit."""


def launch(job: Job, options: RunOptions, display: Display, end: End) -> int:
    """Run a job, or carry on with it, and return the exit code.

    Raises:
        BatchgenError: it could not run, or must stop at once.
    """
    caller = Caller(
        notice=write_notice, ask=ask, handle=RunHandle(), command=current_arguments()
    )
    with open_session(job, options, caller) as session:
        if session.sandbox is None:
            return end(job, _run(session, display), None)
        sentences = warnings_before_run(job, session.job)
        for sentence in sentences:
            write_notice(sentence)
        result = _run(session, display)
        rehearsed = _rehearsed(job, options, session, session.sandbox, sentences)
        return end(session.job, result, rehearsed)


def _run(session: Session, display: Display) -> RunResult:
    """Run the engine to its end, and show the progress.

    Raises:
        BatchgenError: it could not run, or must stop at once.
    """
    raise_limit()  # each purchase in flight has a socket
    gc.freeze()  # without it, collecting modules and classes takes 7 % of a run's CPU
    sys.setswitchinterval(SWITCH_S)

    @asynccontextmanager
    async def observe(session: Session) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            await tasks.start(watch_signals, session)
            # After the signals: the engine writes notices before its first wait.
            tasks.start_soon(display, session.progress)
            yield
            tasks.cancel_scope.cancel()

    try:
        return run_to_end(session, observe)
    except Crash as crash:
        raise Crash(f"{crash}; carry on:\n  {current_command()}") from crash
    except StorageError as error:
        raise _with_advice(error) from error


def _with_advice(error: StorageError) -> StorageError:
    if isinstance(error, LedgerMissing):
        return error  # the same command would be refused again
    return type(error)(
        f"{error}\nwhat was stored is kept, and what was on its way stands as at risk; "
        f"when it is mended, carry on:\n  {current_command()}"
    )


def _rehearsed(
    job: Job,
    options: RunOptions,
    session: Session,
    sandbox: SandboxProcess,
    sentences: list[str],
) -> RehearsalResult:
    """Return what a rehearsal shows besides the results of the rows."""
    # Imported here: only a rehearsal needs the sandbox.
    from batchgen.runner.rehearsal import keep_bills

    bill = keep_bills(job.out, sandbox)
    real_run = [
        *sentences,
        *real_run_needs(job, may_spend=options.yes),
        *warnings_from_plan(job, session.folder.ledger),
        *({UNTRIED} & session.progress.past_notices),
    ]
    return RehearsalResult(bill, real_run)


def ask(estimate: Estimate) -> None:
    """Ask whether to spend; without a terminal that is a no."""
    price = f"about {dollars(estimate.usd)}"
    if estimate.unpriced:
        unpriced = f"{counted(estimate.unpriced, 'row')} whose price nobody knows"
        price = f"{price} and {unpriced}" if estimate.usd else unpriced
    rows, images = counted(estimate.rows, "row"), counted(estimate.images, "image")
    purchase = f"{rows} to be bought, {images}, for {price}"
    can_ask = sys.stdin.isatty() and sys.stderr.isatty() and not uses_json_lines()
    if not can_ask:
        raise UsageError(
            f"{purchase}. Say --max-cost USD for a budget, or --yes. Nothing was sent"
        )
    try:
        with default_ctrl_c():
            consents = click.confirm(f"{purchase}. Spend it?", err=True)
    except (KeyboardInterrupt, click.Abort):
        write_error("")  # ends the line in which the terminal shows ^C
        consents = False
    if not consents:
        raise UsageError("not agreed. Nothing was sent")


STOP = "the real run would stop"


def warnings_before_run(job: Job, rehearsed: Job) -> list[str]:
    """Return what is known of the real run before the rehearsal starts.

    Args:
        job: The job of the user.
        rehearsed: The same job at the sandbox; the engine itself shows its notices.
    """
    today = datetime.now(UTC).date()
    common = set(notices_of(rehearsed, PROVIDERS, today))
    return [
        *_stops(job),
        *(f"{STOP}: {problem}" for problem in network_problems()),
        *_unknown_model_lines(job),
        *(
            f"in the real run {text}"
            for text in notices_of(job, PROVIDERS, today)
            if text not in common
        ),
    ]


def _stops(job: Job) -> Iterator[str]:
    for name in job.providers:
        url = base_url_of(job, name)
        if url is None:
            yield f"{STOP}: {no_base_url(job.source, name)}"
            continue
        try:
            check_base_url(url, allow_http=job.allow_http)
        except SpecError as error:
            yield f"{STOP}: {error}"
    # `try` makes a new folder each time, its source in it.
    is_shared = not job.source.is_relative_to(job.out)
    if is_shared and not job.out.name.endswith(REHEARSAL_SUFFIX):
        yield (
            f"{STOP}: {job.out} holds this rehearsal, and their money must not mix; "
            "name another folder with --out"
        )


def _unknown_model_lines(job: Job) -> Iterator[str]:
    for name in job.providers:
        if (model := job.terms_of(name).model) and not _is_known_model(name, model):
            yield (
                f"the real run may stop: batchgen does not know the model {model!r} at "
                f"{name}, and a rehearsal cannot tell whether it is there"
            )


def real_run_needs(job: Job, *, may_spend: bool) -> Iterator[str]:
    """Yield what a real run needs besides: keys and consent."""
    set_keys = known_keys(job.providers)
    for name in job.providers:
        variable = key_variable(name)
        if name in set_keys:
            yield (
                f"the real run needs {variable}, which is set (a rehearsal does not "
                "try the key)"
            )
        else:
            yield (
                f"{STOP}: it needs {variable}, which is not set (export "
                f"{variable}=your-key)"
            )
    if job.max_cost is None and not may_spend:
        yield (
            "the real run needs your consent to spend: --max-cost USD for a budget, or "
            "--yes"
        )


def _is_known_model(name: str, model: str) -> bool:
    provider = PROVIDERS[name]
    capabilities = provider.capabilities
    priced = (price.models for price in provider.prices)
    return model.removeprefix(capabilities.model_prefix) in {
        provider.defaults.model,
        *capabilities.models.values(),
        *capabilities.by_model,
        *capabilities.shutdowns,
        *chain.from_iterable(priced),
    }


def warnings_from_plan(job: Job, ledger: Reader) -> list[str]:
    """Return what real prices mean for the rows that were rehearsed.

    Args:
        job: The job as the user gave it.
        ledger: The rehearsal's.
    """
    prices = prices_of(job)
    end = job.rows_in_scope
    limits, sentences = limits_of(job), []
    cost, unpriced = Cost(), 0
    for planned in planned_sales(ledger, end):
        price_key = planned.price_key
        price = find_price(prices.get(price_key.provider, ()), price_key)
        if price is not None:
            cost += Cost.of(planned.images, price)
            continue
        unpriced += planned.images
        if limits:
            message = unpriced_message(
                price_key, elsewhere=_elsewhere(job, price_key.provider)
            )
            sentences.append(f"{STOP}: row {planned.position}: {message}")
    if limits.run is not None and cost.expected > limits.run:
        sentences.append(
            f"{STOP} at the budget: its images cost about {dollars(cost.expected)}, "
            f"retries not counted, and --max-cost is {dollars(limits.run)}"
        )
    elif cost.highest:
        sentences.append(
            f"the real run costs about {dollars(cost.expected)} in real money, retries "
            "not counted"
        )
    if unpriced and not limits:
        sentences.append(
            f"the real run buys {counted(unpriced, 'image')} without a known price: "
            "give one with --price"
        )
    return sentences


def _elsewhere(job: Job, provider: str) -> str | None:
    url = job.terms_of(provider).base_url
    return None if is_own_address(url, PROVIDERS[provider].defaults) else url
