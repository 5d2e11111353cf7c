"""Open a rehearsal: a run against its own sandbox, free and without a key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from batchgen.errors import SpecError
from batchgen.model import Job, Price, PriceList, Terms
from batchgen.output.whole import replacing
from batchgen.planning.own_address import is_own_address
from batchgen.providers import PROVIDERS
from batchgen.runner.config import RunConfig, RunOptions
from batchgen.runner.folder_checks import SANDBOX
from batchgen.runner.progress import Progress
from batchgen.runner.session import Caller, Session, open_and_log
from batchgen.sandbox import KEY, SandboxFailed, SandboxProcess, start_sandbox
from batchgen.sandbox.drawing import stand_in


@contextmanager
def open_rehearsal(job: Job, options: RunOptions, caller: Caller) -> Iterator[Session]:
    """Open folder and sandbox for the rehearsal of a job, as long as the block lasts.

    Raises:
        BatchgenError: the folder cannot be used, or the sandbox does not start.
    """
    with open_and_log(job, "rehearsal", {"": KEY}, caller) as (folder, log):
        try:
            with start_sandbox(
                job.out / SANDBOX,
                faults=options.faults or "calm",
                seed=options.seed or 0,
                latency=options.latency,
            ) as sandbox:
                tariff = sandbox.tariff()
                _check_sandbox(job, tariff)
                config = RunConfig(
                    providers=PROVIDERS,
                    keys=dict.fromkeys(PROVIDERS, KEY),
                    prices={name: prices_from(tariff, name) for name in PROVIDERS},
                    ask=caller.ask,
                    consented=True,
                    rebuy=options.rebuy,
                    keep=options.keep,
                    progress=Progress(rehearsed=True, notice=caller.notice),
                    handle=caller.handle,
                    log=log,
                    seed=options.seed or 0,
                    stand_in=stand_in(),
                )
                yield Session(
                    job=replace(job, terms=_sandbox_terms(job, sandbox)),
                    folder=folder,
                    config=config,
                    sandbox=sandbox,
                )
        except SandboxFailed as error:
            raise SpecError(str(error)) from error


def keep_bills(out: Path, sandbox: SandboxProcess) -> int:
    """Write the bill that each provider would export, for `batchgen reconcile`.

    Args:
        out: The run folder.
        sandbox: The sandbox of its rehearsal.

    Returns:
        What the whole folder cost by the sandbox's bill, in nano-dollars.
    """
    bill = sandbox.bill()
    for name in sorted({entry["provider"] for entry in bill["entries"]}):
        with replacing(out / SANDBOX / f"bill-{name}.csv") as file:
            file.write(sandbox.bill_as_csv(name))
    total: int = bill["total_nano_usd"]
    return total


def _check_sandbox(job: Job, tariff: Mapping[str, Any]) -> None:
    """Refuse a provider from a package without a sandbox.

    Raises:
        SpecError: one of the job's providers cannot be rehearsed.
    """
    for name in job.providers:
        if name not in tariff:
            raise SpecError(
                f"{name} cannot be rehearsed: the package that it comes from brings no "
                "sandbox. Nothing was sent; `batchgen check` shows what a run would do"
            )


def _sandbox_terms(job: Job, sandbox: SandboxProcess) -> dict[str, Terms]:
    """Return the job's terms, without those that hold only for the real account."""
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
    """Return whether a model that is shut down stops rows, as in the real run."""
    is_own = is_own_address(terms.base_url, PROVIDERS[name].defaults)
    return terms.shutdowns if is_own else "ignore"


def prices_from(tariff: Mapping[str, Any], provider: str) -> PriceList:
    """Return the prices of one provider that a sandbox publishes."""
    special = (_price(fare) for fare in tariff.get("special", {}).get(provider, ()))
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
        max_per_reference=usd("per_reference"),
        per_search=usd("per_search"),
    )
