"""All that can be known of a job before paying: planned on a copy, nothing is sent."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from batchgen.engines.estimate import EVERY_ROW, Rebuy, rebuy_of
from batchgen.engines.folder import LEDGER
from batchgen.ledger import Ledger, PlanEntry, PlanWriter, Reader, Totals
from batchgen.manifest import Manifest, Row, key_of
from batchgen.model import Job, Price, PriceList, Sale, find_price, to_nano
from batchgen.output.names import claimed_stems, strip_image_extension
from batchgen.provider import Provider
from batchgen.runner.choice import Choice, entry_of

PROBLEMS_MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A row that cannot run, and where to mend it."""

    row: int
    line: int | None
    column: str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Images of one provider and resolution that are still to be bought.

    Attributes:
        price: None if unknown.
    """

    provider: str
    resolution: str
    images: int
    price: Price | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is known of a job before paying.

    Attributes:
        problems: The first rows that cannot run.
        renamed: The first rows whose file name is not safe, and what it becomes.
        left_out: The first rows that run without some of their options.
        duplicates: Rows that ask for the same as an earlier one.
        groups: What is still to be bought.
        shortest_s: Time by the rate alone; None where there is no rate.
        notices: What looks odd in the manifest's header.
    """

    totals: Totals
    problems: list[Problem]
    renamed: list[Problem]
    left_out: list[Problem]
    duplicates: int
    groups: list[Group]
    rebuy: Rebuy | None
    shortest_s: float | None
    notices: tuple[str, ...]

    @property
    def unpriced(self) -> int:
        """Images that have no known price."""
        return sum(it.images for it in self.groups if it.price is None)

    def nano(self, *, ceiling: bool) -> int:
        """Return what the priced images cost, expected or at most."""
        return sum(
            it.images * to_nano(it.price.ceiling if ceiling else it.price.expected)
            for it in self.groups
            if it.price is not None
        )


def check_job(
    job: Job, providers: Mapping[str, Provider], prices: Mapping[str, PriceList]
) -> Findings:
    """Plan a job on a copy of its ledger and say what was found.

    Raises:
        SpecError: the manifest cannot be read.
    """
    manifest = Manifest.open(job)
    choice = Choice.of(job, providers, prices)
    with tempfile.TemporaryDirectory(prefix="batchgen-check-") as folder:
        copy = Path(folder) / LEDGER
        if (job.out / LEDGER).is_file():
            known = Reader(job.out / LEDGER)
            known.copy_to(copy)
            known.close()
        ledger = Ledger(copy)
        try:
            renamed = _plan(ledger, manifest, choice)
            found = _findings(ledger, job, providers, prices, manifest.notices)
            return replace(found, renamed=renamed)
        finally:
            ledger.close()


def _plan(ledger: Ledger, manifest: Manifest, choice: Choice) -> list[Problem]:
    renamed: list[Problem] = []
    with ledger.transaction():
        plan = PlanWriter(ledger, key_of, claimed_stems)
        rows = 0
        for part in manifest.slices():
            entries = [entry_of(row, choice) for row in part.rows]
            plan.add(entries, part.own, rows)
            rows += len(part.rows)
            if len(renamed) < PROBLEMS_MOST:
                renamed += _renamed(part.rows, entries)
        plan.complete("check", manifest.own_schema, rows)
    return renamed[:PROBLEMS_MOST]


def _renamed(rows: Sequence[Row], entries: Sequence[PlanEntry]) -> Iterator[Problem]:
    """Yield rows whose file name would leave the archive, or fits no file system."""
    for row, entry in zip(rows, entries, strict=True):
        if row.filename and strip_image_extension(row.filename) != entry.stem:
            words = f"{row.filename!r} is no safe name; stored as {entry.stem!r}"
            yield Problem(
                row=row.position, line=row.line, column="filename", message=words
            )


def _findings(
    ledger: Ledger,
    job: Job,
    providers: Mapping[str, Provider],
    prices: Mapping[str, PriceList],
    notices: tuple[str, ...],
) -> Findings:
    below = EVERY_ROW if job.limit is None else job.limit
    generation = ledger.generation
    groups = _groups(ledger, below, prices)
    return Findings(
        totals=ledger.totals(below),
        problems=problems_in(ledger, PROBLEMS_MOST),
        renamed=[],
        left_out=problems_in(ledger, PROBLEMS_MOST, "warnings"),
        duplicates=ledger.run("duplicate_rows", (generation,)).fetchone()[0],
        groups=groups,
        rebuy=rebuy_of(ledger, below, generation),
        shortest_s=_shortest_s(job, providers, groups),
        notices=notices,
    )


def problems_in(ledger: Reader, most: int, query: str = "problems") -> list[Problem]:
    """Return the first rows of the plan that cannot run, or that `query` finds."""
    return [
        Problem(
            row=it["position"],
            line=it["line"],
            column=it["at_column"],
            message=it["problem"],
        )
        for it in ledger.run(query, (ledger.generation, most))
    ]


def _shortest_s(
    job: Job, providers: Mapping[str, Provider], groups: list[Group]
) -> float | None:
    """Return the time of the slowest provider at its rate; they work side by side."""
    longest = None
    for name in job.providers:
        said, known = job.terms_of(name).rpm, providers[name].defaults.rpm
        rpm = known if said is None or said == "auto" else said
        images = sum(it.images for it in groups if it.provider == name)
        if rpm is not None:
            longest = max(longest or 0.0, images / rpm * 60)
    return longest


def _groups(
    ledger: Ledger,
    below: int,
    prices: Mapping[str, PriceList],
) -> list[Group]:
    values = {"generation": ledger.generation, "below": below}
    return [
        Group(
            provider=found["provider"],
            resolution=found["resolution"],
            images=found["images"],
            price=find_price(
                prices.get(found["provider"], ()),
                Sale(found["provider"], found["resolution"]),
            ),
        )
        for found in ledger.run("groups", values)
    ]
