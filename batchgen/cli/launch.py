"""Start the engine for a job: its folder, log, consent, signals; real or rehearsed."""

from __future__ import annotations

import gc
import json
import logging
import resource
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any, Literal

import anyio
import click

from batchgen.cli.display import choose_display, write_error
from batchgen.cli.logfile import log_to
from batchgen.cli.source import prices_of, read_keys, realm_of, this_command
from batchgen.cli.summary import Bill, counted
from batchgen.engines.course import RATES
from batchgen.engines.estimate import Estimate
from batchgen.engines.folder import LOG, RunFolder, open_folder
from batchgen.engines.local import LocalEngine
from batchgen.engines.setting import Outcome, Setting
from batchgen.errors import BatchgenError, SpecError, StorageError, UsageError
from batchgen.manifest import Manifest
from batchgen.model import Job, Price, PriceList, by_resolution, dollars
from batchgen.providers import PROVIDERS
from batchgen.runner.progress import Progress
from batchgen.sandbox.child import KEY, SandboxFailed, SandboxProcess, start_sandbox
from batchgen.sandbox.drawing import stand_in
from batchgen.wire import Scrubber

MANY_FILES = 65_536
# A thread that has written to the disk waits this long for a busy event loop, and all
# that it wrote for waits with it; Python's own 5 ms stood twice in each commit.
SWITCH_S = 0.0005
SANDBOX = "sandbox"
"""Folder inside a rehearsal's run folder."""

End = Callable[[Job, Outcome, Bill | None], int]
"""Shows how a job ended, with the sandbox's bill after a rehearsal; the exit code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a job is run, beyond what the job says: as the options of `run`."""

    rehearse: bool = False
    faults: Literal["calm", "storm", "outage"] | None = None
    seed: int | None = None
    latency: float | Literal["real"] | None = None
    yes: bool = False
    rebuy: bool = False
    json_lines: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        for name in ("faults", "seed", "latency"):
            if getattr(self, name) is not None and not self.rehearse:
                raise UsageError(f"--{name} is for rehearsals: add --rehearse")


def manner_of(given: Mapping[str, Any]) -> Manner:
    """Return the options of running among a command's values."""
    names = {it.name for it in fields(Manner)}
    return Manner(**{name: value for name, value in given.items() if name in names})


def launch(job: Job, manner: Manner, end: End) -> int:
    """Run a job, or carry on with it, and return the exit code.

    Raises:
        BatchgenError: it could not run, or must stop at once.
    """
    if manner.rehearse:
        return _rehearse(job, manner, end)
    keys = read_keys(job)
    with _folder(job, realm_of(job), keys) as (folder, log):
        outcome = _run(job, folder, _setting(job, keys, manner), manner, log)
        return end(job, outcome, None)


@contextmanager
def _folder(
    job: Job, realm: str, keys: Mapping[str, str]
) -> Iterator[tuple[RunFolder, logging.Logger]]:
    # A manifest that cannot be read leaves no folder behind, and binds none.
    Manifest.open(job)
    with open_folder(job.out, job.source, realm) as folder:
        with folder.ledger.transaction():
            folder.ledger.put("command", this_command())
            folder.ledger.put(RATES, json.dumps(_rates_of(job)))
        try:
            with log_to(job.out / LOG, Scrubber(keys.values()).clean) as log:
                yield folder, log
        except OSError as error:
            raise StorageError(f"{job.out / LOG}: {error.strerror or error}") from error


def _rates_of(job: Job) -> dict[str, float | None]:
    """Return the purchases a minute that each provider is asked for at most."""
    rates = {
        it: job.terms_of(it).rpm or PROVIDERS[it].defaults.rpm for it in job.providers
    }
    return {it: None if rate == "auto" else rate for it, rate in rates.items()}


def _setting(job: Job, keys: Mapping[str, str], manner: Manner) -> Setting:
    return Setting(
        providers=PROVIDERS,
        keys=keys,
        prices=prices_of(job),
        paid_hosts=True,
        consented=manner.yes or job.max_cost is not None,
        rebuy=manner.rebuy,
        ask=_ask,
        progress=Progress(),
        stop_at_once=_second_signal,
    )


# -- the rehearsal


def _rehearse(job: Job, manner: Manner, end: End) -> int:
    with _folder(job, "rehearsal", {"": KEY}) as (folder, log):
        try:
            with start_sandbox(
                job.out / SANDBOX,
                faults=manner.faults or "calm",
                seed=manner.seed or 0,
                latency=manner.latency,
            ) as sandbox:
                rehearsed = replace(job, terms=_sandboxed(job, sandbox))
                tariff = sandbox.tariff()
                setting = Setting(
                    providers=PROVIDERS,
                    keys=dict.fromkeys(PROVIDERS, KEY),
                    prices={name: _prices(tariff.get(name, {})) for name in PROVIDERS},
                    paid_hosts=False,
                    consented=True,
                    rebuy=manner.rebuy,
                    ask=_ask,
                    progress=Progress(),
                    stop_at_once=_second_signal,
                    seed=manner.seed or 0,
                    stand_in=stand_in(),
                )
                outcome = _run(rehearsed, folder, setting, manner, log)
                bill = sandbox.bill()
                _keep_bills(job, sandbox, bill["entries"])
                return end(rehearsed, outcome, Bill(bill["total_nano_usd"]))
        except SandboxFailed as error:
            raise SpecError(str(error)) from error


def _sandboxed(job: Job, sandbox: SandboxProcess) -> dict[str, Any]:
    """Return the job's terms, without what holds for the real account alone."""
    return {
        name: replace(
            terms := job.terms_of(name),
            base_url=sandbox.provider_url(name),
            rates={},
            endpoint=None if "/" in (terms.endpoint or "") else terms.endpoint,
        )
        for name in job.providers
    }


def _keep_bills(
    job: Job, sandbox: SandboxProcess, entries: Iterable[Mapping[str, Any]]
) -> None:
    """Leave what each provider would export, for `batchgen reconcile`."""
    for name in sorted({it["provider"] for it in entries}):
        path = job.out / SANDBOX / f"bill-{name}.csv"
        path.write_bytes(sandbox.bill_as_csv(name))


def _prices(tariff: Mapping[str, Mapping[str, str]]) -> PriceList:
    return by_resolution(
        {
            resolution: Price(
                expected=Decimal(price["expected_usd"]),
                ceiling=Decimal(price["ceiling_usd"]),
                page="the sandbox's own tariff",
            )
            for resolution, price in tariff.items()
        }
    )


# -- the run itself


def _run(
    job: Job,
    folder: RunFolder,
    setting: Setting,
    manner: Manner,
    log: logging.Logger,
) -> Outcome:
    display = choose_display(quiet=manner.quiet, json_lines=manner.json_lines)

    _allow_many_sockets()
    _collect_garbage_seldom()
    sys.setswitchinterval(SWITCH_S)

    async def shown() -> Outcome:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(display.show, setting.progress)
            outcome = await LocalEngine(job, folder, setting).run()
            tasks.cancel_scope.cancel()
        return outcome

    try:
        return anyio.run(shown)
    except BaseExceptionGroup as group:
        raise _first_of(group, log) from group
    except StorageError as error:
        raise _with_the_way_on(error) from error


def _allow_many_sockets() -> None:
    """Lift the soft limit on open files: each purchase in flight has a socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MANY_FILES if hard == resource.RLIM_INFINITY else min(hard, MANY_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _collect_garbage_seldom() -> None:
    """Spare the collector what lives as long as the process: 7 % of a run's CPU."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _first_of(
    group: BaseExceptionGroup[BaseException], log: logging.Logger
) -> Exception:
    """Return the error that a user can do something about, else where the rest is."""
    for kind in (StorageError, BatchgenError):
        matching = group.subgroup(kind)
        if matching is not None:
            error: BaseException = matching
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            if isinstance(error, StorageError):
                return _with_the_way_on(error)
            if isinstance(error, BatchgenError):
                return error
    log.error("crashed", exc_info=group)
    return BatchgenError(
        "a fault of batchgen itself; run.log in the run folder has the details. "
        f"Nothing is lost; carry on:\n  {this_command()}"
    )


def _with_the_way_on(error: StorageError) -> StorageError:
    words = (
        "what was stored is kept, and what was on its way stands as at risk; "
        "when it is mended, carry on"
    )
    return type(error)(f"{error}\n{words}:\n  {this_command()}")


def _ask(estimate: Estimate) -> None:
    """Ask whether to spend; without a terminal that is a no."""
    price = f"about {dollars(estimate.usd)}"
    if estimate.unpriced:
        unpriced = f"{counted(estimate.unpriced, 'row')} whose price nobody knows"
        price = f"{price} and {unpriced}" if estimate.usd else unpriced
    rows, images = counted(estimate.rows, "row"), counted(estimate.images, "image")
    words = f"{rows} to be bought, {images}, for {price}"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            f"{words}. Say --max-cost USD for a budget, or --yes. Nothing was sent"
        )
    # While it asks, Ctrl-C must end it: the run's own handler only makes a note.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        agreed = click.confirm(f"{words}. Spend it?", err=True)
    except (KeyboardInterrupt, click.Abort):
        write_error("")  # behind what the terminal shows of Ctrl-C
        agreed = False
    finally:
        signal.signal(signal.SIGINT, before)
    if not agreed:
        raise UsageError("not agreed. Nothing was sent")


def _second_signal(number: signal.Signals) -> None:
    write_error(f"stopped at once by {number.name}; carry on:\n  {this_command()}")
