"""Run a job, and show how it goes meanwhile: in earnest, or as a rehearsal."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

import anyio
import click

from batchgen.admission.reference_uploads import UNTRIED
from batchgen.budget import limits_of
from batchgen.checks.findings import Cost
from batchgen.cli.carry_on import these_words, this_command
from batchgen.cli.display import Display
from batchgen.cli.formatting import counted
from batchgen.cli.messages import speaks_json_lines, write_error, write_notice
from batchgen.cli.signals import default_ctrl_c, watch_signals
from batchgen.cli.summary import End, Rehearsed
from batchgen.errors import (
    BatchgenError,
    LedgerMissing,
    SpecError,
    StorageError,
    UsageError,
)
from batchgen.ledger import Reader
from batchgen.ledger.estimate import EVERY_ROW, Estimate
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
from batchgen.runner.loop import run_loop
from batchgen.runner.notices import network_problems, notices_of
from batchgen.runner.session import (
    Caller,
    Crash,
    Session,
    open_session,
    plain_errors,
)
from batchgen.wire import check_base_url

if TYPE_CHECKING:
    from batchgen.sandbox import SandboxProcess

# A thread that has written to the disk waits this long for a busy event loop, and all
# that it wrote for waits with it; Python's own 5 ms stood twice in each commit.
SWITCH_S = 0.0005


def launch(job: Job, options: RunOptions, display: Display, end: End) -> int:
    """Run a job, or carry on with it, and return the exit code.

    Raises:
        BatchgenError: it could not run, or must stop at once.
    """
    caller = Caller(
        notice=write_notice, ask=ask, handle=RunHandle(), command=these_words()
    )
    with open_session(job, options, caller) as session:
        if session.sandbox is None:
            return end(job, _run(session, display), None)
        sentences = known_before(job, session.job)
        for sentence in sentences:
            write_notice(sentence)
        result = _run(session, display)
        rehearsed = _rehearsed(job, options, session, session.sandbox, sentences)
        return end(session.job, result, rehearsed)


def _run(session: Session, display: Display) -> RunResult:
    """Run the engine until it ends, and show how it goes meanwhile.

    Raises:
        BatchgenError: it could not run, or must stop at once.
    """
    raise_limit()  # each purchase in flight has a socket
    gc.freeze()  # what lives as long as the process is 7 % of a run's CPU to collect
    sys.setswitchinterval(SWITCH_S)

    async def run_and_show() -> RunResult:
        async with anyio.create_task_group() as tasks:
            await tasks.start(watch_signals, session)
            # Not before it: the engine's first notices come before its first wait.
            tasks.start_soon(display.show, session.progress)
            result = await session.run()
            tasks.cancel_scope.cancel()
        return result

    try:
        with plain_errors(session.config.log):
            return run_loop(run_and_show)
    except Crash as crash:
        raise Crash(f"{crash}; carry on:\n  {this_command()}") from crash
    except StorageError as error:
        raise _with_the_way_on(error) from error


def _with_the_way_on(error: StorageError) -> BatchgenError:
    if isinstance(error, LedgerMissing):
        return error  # the same command would be refused again
    words = (
        "what was stored is kept, and what was on its way stands as at risk; "
        "when it is mended, carry on"
    )
    return type(error)(f"{error}\n{words}:\n  {this_command()}")


def _rehearsed(
    job: Job,
    options: RunOptions,
    session: Session,
    sandbox: SandboxProcess,
    sentences: list[str],
) -> Rehearsed:
    """Return what a rehearsal found out, besides what became of the rows."""
    # Only here: what is bought in earnest needs no sandbox.
    from batchgen.runner.rehearsal import keep_bills

    bill = keep_bills(job.out, sandbox)
    real_run = [
        *sentences,
        *needs_of(job, may_spend=options.yes),
        *known_of_plan(job, session.folder.ledger),
        *({UNTRIED} & session.progress.shown_once),
    ]
    return Rehearsed(bill, real_run)


def ask(estimate: Estimate) -> None:
    """Ask whether to spend; without a terminal that is a no."""
    price = f"about {dollars(estimate.usd)}"
    if estimate.unpriced:
        unpriced = f"{counted(estimate.unpriced, 'row')} whose price nobody knows"
        price = f"{price} and {unpriced}" if estimate.usd else unpriced
    rows, images = counted(estimate.rows, "row"), counted(estimate.images, "image")
    words = f"{rows} to be bought, {images}, for {price}"
    is_asked = sys.stdin.isatty() and sys.stderr.isatty() and not speaks_json_lines()
    if not is_asked:
        raise UsageError(
            f"{words}. Say --max-cost USD for a budget, or --yes. Nothing was sent"
        )
    try:
        with default_ctrl_c():
            agreed = click.confirm(f"{words}. Spend it?", err=True)
    except (KeyboardInterrupt, click.Abort):
        write_error("")  # behind what the terminal shows of Ctrl-C
        agreed = False
    if not agreed:
        raise UsageError("not agreed. Nothing was sent")


STOP = "the real run would stop"


def known_before(job: Job, rehearsed: Job) -> list[str]:
    """Return what is known of a real run before anything is tried.

    Args:
        job: The job as the user gave it.
        rehearsed: The same against the sandbox, whose notices the engine gives.
    """
    today = datetime.now(UTC).date()
    common = set(notices_of(rehearsed, PROVIDERS, today))
    return [
        *_stops(job),
        *(f"{STOP}: {problem}" for problem in network_problems()),
        *_unknown_models(job),
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


def _unknown_models(job: Job) -> Iterator[str]:
    for name in job.providers:
        if (model := job.terms_of(name).model) and not _is_known(name, model):
            yield (
                f"the real run may stop: batchgen does not know the model {model!r} at "
                f"{name}, and a rehearsal cannot tell whether it is there"
            )


def needs_of(job: Job, *, may_spend: bool) -> Iterator[str]:
    """Yield what a real run needs besides: keys and consent."""
    set_keys = known_keys()
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


def _is_known(name: str, model: str) -> bool:
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


def known_of_plan(job: Job, ledger: Reader) -> list[str]:
    """Return what real prices mean for the rows that were rehearsed.

    Args:
        job: The job as the user gave it.
        ledger: The rehearsal's.
    """
    prices = prices_of(job)
    below = EVERY_ROW if job.limit is None else job.limit
    limits, sentences = limits_of(job), []
    cost, unpriced = Cost(), 0
    for planned in planned_sales(ledger, below):
        price_key = planned.price_key
        price = find_price(prices.get(price_key.provider, ()), price_key)
        if price is not None:
            cost += Cost.of(planned.images, price)
            continue
        unpriced += planned.images
        if limits:
            words = unpriced_message(
                price_key, elsewhere=_elsewhere(job, price_key.provider)
            )
            sentences.append(f"{STOP}: row {planned.position}: {words}")
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
    is_own = is_own_address(url, PROVIDERS[provider].defaults)
    return None if is_own else url
