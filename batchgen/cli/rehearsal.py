"""Rehearse a job: against the sandbox, free and without a key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from batchgen.admission.reference_uploads import UNTRIED
from batchgen.cli.drive import ask, open_and_log, run_in, stop_at_once
from batchgen.cli.manner import End, Manner
from batchgen.cli.real_run import known_before, known_of_plan, needs_of
from batchgen.cli.streams import write_notice
from batchgen.cli.summary import Rehearsed
from batchgen.engines.setting import Setting
from batchgen.engines.whole_folder import SANDBOX
from batchgen.errors import SpecError
from batchgen.model import Job, Price, PriceList, Terms
from batchgen.output.whole import replacing
from batchgen.providers import PROVIDERS
from batchgen.runner.own_address import is_own_address
from batchgen.runner.progress import Progress
from batchgen.sandbox.child import KEY, SandboxFailed, SandboxProcess, start_sandbox
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


def prices_from(tariff: Mapping[str, Any], provider: str) -> PriceList:
    """Return the prices of one provider that a sandbox publishes."""
    special = (_price(entry) for entry in tariff.get("special", {}).get(provider, ()))
    usual = (
        _price({"resolution": resolution, **fare})
        for resolution, fare in tariff.get(provider, {}).items()
    )
    return (*special, *usual)


def _price(fare: Mapping[str, str]) -> Price:
    def usd(name: str) -> Decimal:
        return Decimal(fare.get(f"{name}_usd", "0"))

    def only(name: str) -> frozenset[str]:
        return frozenset({fare[name]} if name in fare else ())

    return Price(
        expected=usd("expected"),
        ceiling=usd("ceiling"),
        page="the sandbox's own tariff",
        lowest=usd("lowest") if "lowest_usd" in fare else None,
        resolution=fare["resolution"],
        models=only("model"),
        qualities=frozenset(only("quality")),
        thinking=frozenset(only("thinking")),
        most_per_reference=usd("per_reference"),
        per_search=usd("per_search"),
    )
