"""What is known of a job before paying, as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from batchgen.budget import Scope
from batchgen.ledger import Reader, Totals
from batchgen.ledger.plan_findings import PlanProblem, problems, warnings
from batchgen.manifest.gaps import Gaps
from batchgen.model import Price, to_nano
from batchgen.runner.edited import Rebuy
from batchgen.runner.emptiness import FinishedPrompt
from batchgen.runner.row_causes import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A row that cannot run, and where to mend it."""

    row: int
    line: int | None
    column: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What images cost without retries, in nano-dollars."""

    lowest: int = 0
    expected: int = 0
    highest: int = 0

    @classmethod
    def of(cls, images: int, price: Price) -> Cost:
        """Return what a number of images costs."""
        bounds = (price.floor, price.expected, price.ceiling)
        return cls(*(images * to_nano(bound) for bound in bounds))

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.lowest + other.lowest,
            self.expected + other.expected,
            self.highest + other.highest,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What is to be bought of one provider's model at one price.

    Attributes:
        price: Of one image; None if unknown. What references and searches add to its
            ceiling may differ within a group.
        cost: What all of it costs; None if unknown.
    """

    provider: str
    model: str
    resolution: str
    price: Price | None
    rows: int
    images: int
    cost: Cost | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """What one provider would charge for the rows that it can do.

    Attributes:
        rows: That it can do.
        alone: Expected price of those in nano-dollars, where both prices are known.
        routed: Expected price of the same rows as they are spread now.
        unpriced: Rows that it can do and that have no price, here or there.
    """

    provider: str
    rows: int
    alone: int
    routed: int
    unpriced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is to be bought, looked at from all sides.

    Attributes:
        requests: By provider.
        cost_by: Cost of the rows of each budget group, from JSON: column to value.
        alone: Empty where the job names one provider.
    """

    rows: int
    groups: Sequence[Group]
    requests: Mapping[str, int] = field(default_factory=dict)
    cost_by: Mapping[str, Cost] = field(default_factory=dict)
    alone: Sequence[Alone] = ()

    @property
    def images(self) -> int:
        """Images to be bought."""
        return sum(group.images for group in self.groups)

    @property
    def unpriced(self) -> int:
        """Images that have no known price."""
        return sum(group.images for group in self.groups if group.price is None)

    def cost(self, provider: str | None = None) -> Cost:
        """Return what the priced images cost, at one provider or at all of them."""
        costs = (
            group.cost for group in self.groups if provider in (None, group.provider)
        )
        return sum(filter(None, costs), Cost())


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """A row that asks for what an earlier one asks for."""

    row: int
    line: int | None
    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """Rows that ask for what an earlier one asks for.

    Attributes:
        saved: Expected nano-dollars that buying them once saves.
        unpriced: Rows without a known price.
        example: The first of them; None if there are none.
    """

    rows: int
    images: int
    saved: int
    unpriced: int
    example: Duplicate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long one provider takes.

    Attributes:
        rpm: Purchases in a minute; None for no known limit.
        latency_s: From purchase to delivery, as a rule.
        measured: How many purchases of this folder say so; 0 for an assumption.
    """

    provider: str
    requests: int
    rpm: float | None
    concurrency: int
    latency_s: float
    measured: int

    @property
    def least_s(self) -> float:
        """Time from the first to the last purchase at the rate."""
        return (self.requests - 1) / self.rpm * 60 if self.rpm else 0.0

    @property
    def likely_s(self) -> float:
        """Time under rate and concurrency."""
        rounds = -(-self.requests // self.concurrency)
        return max(self.least_s + self.latency_s, rounds * self.latency_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """What the images take, and what there is.

    Attributes:
        assumed: Whether sizes are assumed that this folder has no images of.
        free_bytes: In the file system of the run folder.
    """

    needed_bytes: int
    free_bytes: int
    assumed: bool

    @property
    def is_enough(self) -> bool:
        """Whether the images fit."""
        return self.needed_bytes <= self.free_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One budget, and what counts for it, in nano-dollars.

    Attributes:
        used: Spent or at risk already.
        cost: What is still to be bought, as far as it has known prices.
        unpriced: Whether something is to be bought that has none.
    """

    scope: Scope
    limit: int
    used: int
    cost: Cost
    unpriced: bool

    @property
    def is_enough(self) -> bool:
        """Whether the expected cost fits."""
        return self.used + self.cost.expected <= self.limit

    @property
    def is_enough_at_most(self) -> bool:
        """Whether the highest cost fits, too."""
        return self.used + self.cost.highest <= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is known of a job before paying.

    Attributes:
        problems: Rows that cannot run, the first of them.
        invalid: Why rows cannot run, all of them by cause.
        renamed: Rows whose file name is not safe, and what it becomes; likewise.
        left_out: Rows that run, but with a warning; likewise.
        warned: How many of those there are.
        prompts: Three of those that can run: the first, one in the middle, the last.
        gaps: Rows in scope without values that the prompt needs; None where the
            template needs none.
        is_refused: Whether `run` would refuse to buy because of them.
        rebuy: Rows whose earlier version was paid for; None if there are none.
        mode: What kind of run the folder holds: `real`, `loopback` or `rehearsal`;
            None if it holds none.
        notices: What looks odd in the manifest's header.
        rehearsal: Rows and money of the rehearsal that the folder holds; None if it
            holds none. Nothing else here counts any of it.
    """

    totals: Totals
    problems: Sequence[Problem]
    invalid: Sequence[Cause]
    renamed: Sequence[Problem]
    left_out: Sequence[Problem]
    warned: int
    prompts: Sequence[FinishedPrompt]
    gaps: Gaps | None
    is_refused: bool
    duplicates: Duplicates
    forecast: Forecast
    rebuy: Rebuy | None
    paces: Sequence[Pace]
    disk: Disk
    limits: Sequence[Limit]
    mode: str | None
    notices: Sequence[str]
    rehearsal: Totals | None = None


def problems_in(ledger: Reader, max_rows: int) -> list[Problem]:
    """Return the first rows of the plan that cannot run."""
    return _shown(problems(ledger, max_rows))


def warnings_in(ledger: Reader, max_rows: int) -> list[Problem]:
    """Return the first rows of the plan that run, but with a warning."""
    return _shown(warnings(ledger, max_rows))


def _shown(rows: Iterable[PlanProblem]) -> list[Problem]:
    return [
        Problem(row=row.position, line=row.line, column=row.column, message=row.message)
        for row in rows
    ]
