"""Rehearse a job: against the sandbox, free and without a key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from batchgen.cli.drive import ask, open_and_log, run_in, stop_at_once
from batchgen.cli.manner import End, Manner
from batchgen.cli.real_run import known_before, known_of_plan, needs_of
from batchgen.cli.streams import write_notice
from batchgen.cli.summary import Rehearsed
from batchgen.engines.setting import Setting
from batchgen.engines.tariff import prices_from
from batchgen.engines.whole_folder import SANDBOX
from batchgen.errors import SpecError
from batchgen.model import Job, Terms
from batchgen.output.whole import replacing
from batchgen.providers import PROVIDERS
from batchgen.runner.own_address import is_own_address
from batchgen.runner.progress import Progress
from batchgen.runner.references import UNTRIED
from batchgen.sandbox import KEY, SandboxFailed, SandboxProcess, start_sandbox
from batchgen.sandbox.drawing import stand_in


def rehearse(job: Job, manner: Manner, end: End) -> int:
    """Run a job against a sandbox of its own, and return the exit code.

    Raises:
        BatchgenError: it could not run, or must stop at once.
    """
    with open_and_log(job, "rehearsal", {"": KEY}) as (folder, log):
        try:
            with start_sandbox(
                job.out / SANDBOX,
                faults=manner.faults or "calm",
                seed=manner.seed or 0,
                latency=manner.latency,
            ) as sandbox:
                rehearsed = replace(job, terms=_sandboxed(job, sandbox))
                real_run = known_before(job, rehearsed)
                for sentence in real_run:
                    write_notice(sentence)
                tariff = sandbox.tariff()
                _check_sandbox(job, tariff)
                setting = Setting(
                    providers=PROVIDERS,
                    keys=dict.fromkeys(PROVIDERS, KEY),
                    prices={name: prices_from(tariff, name) for name in PROVIDERS},
                    paid_hosts=False,
                    consented=True,
                    rebuy=manner.rebuy,
                    keep=manner.keep,
                    ask=ask,
                    progress=Progress(rehearsed=True),
                    stop_at_once=partial(stop_at_once, pretend=True),
                    seed=manner.seed or 0,
                    stand_in=stand_in(),
                )
                outcome = run_in(rehearsed, folder, setting, manner, log)
                bill = sandbox.bill()
                _keep_bills(job, sandbox, bill["entries"])
                real_run += needs_of(job, manner)
                real_run += known_of_plan(job, folder.ledger)
                real_run += {UNTRIED} & setting.progress.said
                found = Rehearsed(bill["total_nano_usd"], real_run)
                return end(rehearsed, outcome, found)
        except SandboxFailed as error:
            raise SpecError(str(error)) from error


def _check_sandbox(job: Job, tariff: Mapping[str, Any]) -> None:
    """Refuse a provider of a package that brings no sandbox.

    Raises:
        SpecError: One of the job's providers cannot be rehearsed.
    """
    for name in job.providers:
        if name not in tariff:
            raise SpecError(
                f"{name} cannot be rehearsed: the package that it comes from brings no "
                "sandbox. Nothing was sent; `batchgen check` shows what a run would do"
            )


def _sandboxed(job: Job, sandbox: SandboxProcess) -> dict[str, Any]:
    """Return the job's terms, without what holds for the real account alone."""
    return {
        name: replace(
            terms := job.terms_of(name),
            base_url=sandbox.provider_url(name),
            rates={},
            endpoint=None if "/" in (terms.endpoint or "") else terms.endpoint,
            shutdowns=_shutdowns(name, terms),
        )
        for name in job.providers
    }


def _shutdowns(name: str, terms: Terms) -> Literal["refuse", "ignore"]:
    """Say whether models that are off stop rows: as they would in the real run."""
    is_own = is_own_address(terms.base_url, PROVIDERS[name].defaults)
    return terms.shutdowns if is_own else "ignore"


def _keep_bills(
    job: Job, sandbox: SandboxProcess, entries: Iterable[Mapping[str, Any]]
) -> None:
    """Leave what each provider would export, for `batchgen reconcile`."""
    for name in sorted({it["provider"] for it in entries}):
        path = job.out / SANDBOX / f"bill-{name}.csv"
        with replacing(path) as file:
            file.write(sandbox.bill_as_csv(name))
