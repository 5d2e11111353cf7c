"""Read the manifest into the plan: which provider, what price, what cannot be done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from batchgen.ledger import PlanEntry, PlanWriter, Reader
from batchgen.manifest import Manifest, Row, Slice, key_of
from batchgen.model import ImageRequest, Job, PriceList, find_price, to_nano
from batchgen.output.names import (
    claimed_stems,
    safe_stem,
    strip_image_extension,
)
from batchgen.provider import Provider
from batchgen.runner.writer import Writer
from batchgen.wire import Offload

SLICE = 250
"""Rows to a step of the plan: it holds up the event loop for some 20 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What rows are judged against.

    Attributes:
        chosen: The job's providers, in its order.
        others: Every provider there is, to say who could do what none of them can.
    """

    job: Job
    chosen: Sequence[Provider]
    others: Mapping[str, Provider]
    prices: Mapping[str, PriceList]


class Planner:
    """Turns one reading of a manifest into one generation of the plan."""

    def __init__(self, ledger: Reader, manifest: Manifest, choice: Choice) -> None:
        self._ledger = ledger
        self._manifest = manifest
        self._choice = choice
        self._plan: PlanWriter | None = None
        self.rows = 0
        self.finished = False
        self._written_digest = ""

    @property
    def generation(self) -> int:
        """The reading that was written, or else the one that counts."""
        return self._plan.generation if self._plan else self._ledger.generation

    def is_current(self) -> bool:
        """Say whether the plan was made from the same manifest and settings."""
        return self._ledger.get("plan_digest") == self._digest()

    async def write(
        self,
        writer: Writer,
        offload: Offload,
        *,
        at_once: bool,
        propose: bool = False,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        """Read the manifest to its end.

        Args:
            writer: Where slices go.
            offload: Where the reading is done.
            at_once: Whether the plan counts from its first slice on.
            propose: Whether it counts only once `adopt` is called.
            told: Called when a slice is in the plan.

        Raises:
            SpecError: the file cannot be read on with certainty.
        """
        # Made by the writer: the plan is written through the ledger that it owns.
        plan = self._plan = await writer.commit(
            lambda ledger: PlanWriter(ledger, key_of, claimed_stems)
        )
        # The digest is taken before the first row is read: a file that is changed
        # while it is read is read again by the next run.
        self._written_digest = await offload(self._digest)
        schema = self._manifest.own_schema
        if at_once:
            await writer.commit(lambda _: plan.begin(schema))
        self.rows = 0
        slices = self._manifest.slices(SLICE)
        while (part := await offload(lambda: next(slices, None))) is not None:
            await self._add(writer, plan, part)
            told()
        if not propose:
            await self.adopt(writer)

    async def adopt(self, writer: Writer) -> None:
        """Let the plan that was written count from now on."""
        if (plan := self._plan) is not None and not self.finished:
            digest, rows = self._written_digest, self.rows
            schema = self._manifest.own_schema
            await writer.commit(lambda _: plan.complete(digest, schema, rows))
        self.finished = True

    async def _add(self, writer: Writer, plan: PlanWriter, part: Slice) -> None:
        first = self.rows
        entries = [entry_of(row, self._choice) for row in part.rows]
        await writer.commit(lambda _: plan.add(entries, part.own, first))
        self.rows += len(entries)

    def _digest(self) -> str:
        choice = self._choice
        models = [(it.name, choice.job.terms_of(it.name).model) for it in choice.chosen]
        return repr((1, self._manifest.digest(), models, _priced(choice.prices)))


def _priced(prices: Mapping[str, PriceList]) -> list[str]:
    return [
        f"{name}/{resolution}={price.expected}"
        for name, listed in sorted(prices.items())
        for resolution, price in sorted(listed.items())
    ]


def entry_of(row: Row, choice: Choice) -> PlanEntry:
    """Judge one row: who makes it, for how much, or why nobody can."""
    provider, problem = _choose(row, choice)
    request = row.request
    wanted = _wanted_stem(row)
    stated = choice.job.terms_of(provider.name).model if provider else None
    return PlanEntry(
        position=row.position,
        line=row.line,
        id=row.id,
        request=request,
        fingerprint=row.fingerprint,
        stem=safe_stem(wanted),
        provider=provider.name if provider else None,
        model=(request.model if request else None)
        or stated
        or (provider.defaults.model if provider else None),
        estimate=_estimate(request, provider, choice) if request else None,
        prompt=row.prompt,
        at_column=problem[0] if problem else None,
        problem=problem[1] if problem else None,
    )


def _wanted_stem(row: Row) -> str:
    if row.filename:
        return strip_image_extension(row.filename)
    if row.id is not None:
        return row.id
    digest = row.fingerprint.hex()[:8] if row.fingerprint else "0" * 8
    return f"row-{row.position}-{digest}"


def _choose(
    row: Row, choice: Choice
) -> tuple[Provider | None, tuple[str | None, str] | None]:
    """Return the first provider that can do the row, or what stands in the way."""
    if row.problem is not None:
        return None, (row.problem.column, row.problem.message)
    request = row.request
    if request is None:
        return None, (None, "cannot be read")
    names = [it.name for it in choice.chosen]
    if row.provider is not None and row.provider not in names:
        given = f"{row.provider!r} is not among the job's providers"
        return None, ("provider", f"{given} ({', '.join(names)}); add it to `provider`")
    candidates = [it for it in choice.chosen if row.provider in (None, it.name)]
    for provider in candidates:
        if next(provider.capabilities.misfits(request), None) is None:
            return provider, None
    column, reason = next(candidates[0].capabilities.misfits(request))
    fitting = ", ".join(_fitting(request, choice))
    hint = f"; {fitting} can do it" if fitting else ""
    return None, (column, f"{candidates[0].name}: {reason}{hint}")


def _fitting(request: ImageRequest, choice: Choice) -> Iterator[str]:
    for name, provider in choice.others.items():
        if next(provider.capabilities.misfits(request), None) is None:
            yield name


def _estimate(
    request: ImageRequest, provider: Provider | None, choice: Choice
) -> int | None:
    if provider is None:
        return None
    resolution = request.resolution or provider.capabilities.default_resolution
    price = find_price(choice.prices.get(provider.name, {}), resolution)
    return None if price is None else to_nano(price.expected) * request.n
