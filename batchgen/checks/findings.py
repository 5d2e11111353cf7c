"""What is known of a job before money is spent, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from batchgen.budget import Scope
from batchgen.ledger import Totals
from batchgen.manifest.gaps import Gaps
from batchgen.model import Price, to_nano
from batchgen.runner.incomplete_rows import FinishedPrompt
from batchgen.runner.manifest_edits import Rebuy
from batchgen.runner.row_causes import Cause


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that cannot run, and where to correct it."""

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
    """What is to be bought from one provider's model at one price.

    Attributes:
        price: Of one image; None if unknown. Within a group, references and searches
            may add different amounts to the ceiling.
        cost: Of all images together; None if unknown.
    """

    provider: str
    model: str
    resolution: str
    price: Price | None
    rows: int
    images: int
    cost: Cost | None


@dataclass(slots=True, kw_only=True)
class SingleProvider:
    """What the rows would cost at one provider, compared with the planned routing.

    Attributes:
        rows: How many rows the provider supports.
        alone: Their expected cost in nano-dollars, as far as both prices are known.
        routed: The expected cost of the same rows as they are planned.
        unpriced: How many of them lack one of the two prices.
    """

    provider: str
    rows: int = 0
    alone: int = 0
    routed: int = 0
    unpriced: int = 0

    def add(self, alone: int | None, routed: int | None) -> None:
        """Count a row by its two costs; None if a cost is unknown."""
        self.rows += 1
        if alone is None or routed is None:
            self.unpriced += 1
        else:
            self.alone += alone
            self.routed += routed


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is still to be bought.

    Attributes:
        requests: How many, by provider.
        cost_by: Cost by budget group, which is JSON of column and value.
        alone: By provider; empty if the job names only one.
    """

    rows: int
    groups: Sequence[Group]
    requests: Mapping[str, int] = field(default_factory=dict)
    cost_by: Mapping[str, Cost] = field(default_factory=dict)
    alone: Sequence[SingleProvider] = ()

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
class Duplicates:
    """Rows with the same request as an earlier row.

    Attributes:
        saved: Expected nano-dollars that `dedupe` saves.
        unpriced: How many have no known price.
        example: The first of them; None if there are none.
    """

    rows: int
    images: int
    saved: int
    unpriced: int
    example: FinishedPrompt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long one provider takes.

    Attributes:
        rpm: Maximum of purchases a minute; None for no known limit.
        latency_s: Usual time from purchase to delivery.
        measured: From how many purchases of this folder; 0 if it is assumed.
    """

    provider: str
    requests: int
    rpm: float | None
    concurrency: int
    latency_s: float
    measured: int

    @property
    def min_s(self) -> float:
        """Time from the first to the last purchase at the rate."""
        return (self.requests - 1) / self.rpm * 60 if self.rpm else 0.0

    @property
    def likely_s(self) -> float:
        """Time under rate and concurrency."""
        rounds = -(-self.requests // self.concurrency)
        return max(self.min_s + self.latency_s, rounds * self.latency_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The disk space that the images need, and the free space.

    Attributes:
        free_bytes: In the file system of the run folder.
        assumed: Whether a size is assumed because this folder has no such image.
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
        committed: Spent or at risk already.
        cost: Of what is still to be bought, as far as prices are known.
        unpriced: Whether a part of that has no known price.
    """

    scope: Scope
    limit: int
    committed: int
    cost: Cost
    unpriced: bool

    @property
    def is_enough(self) -> bool:
        """Whether the expected cost fits."""
        return self.committed + self.cost.expected <= self.limit

    @property
    def is_enough_at_most(self) -> bool:
        """Whether the highest cost fits, too."""
        return self.committed + self.cost.highest <= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is known of a job before money is spent.

    Attributes:
        problems: The first rows that cannot run.
        invalid: Why rows cannot run, by cause; covers all rows.
        renamed: The first rows whose file name is not safe, and their new names.
        left_out: The first rows that run with a warning.
        warned: How many rows run with a warning.
        prompts: Of the rows that can run: the first, one in the middle, the last.
        gaps: Rows in scope without values that the prompt needs; None if the template
            needs none.
        is_refused: Whether `run` would refuse to buy because of the gaps.
        rebuy: Rows whose earlier version was paid for; None if there are none.
        mode: The kind of run in the folder: `real`, `loopback` or `rehearsal`; None if
            the folder has no run.
        notices: Messages about the manifest, the job's providers and the environment.
        rehearsal: Totals of the rehearsal in the folder; None if there is none. All
            other attributes leave it out.
        starts: Position of the first row of each file of the manifest.
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
    starts: Sequence[int] = ()
