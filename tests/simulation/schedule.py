"""What one night is like: the job, the provider's moods, and when the power fails."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from math import sin, tau
from typing import Literal

from batchgen.model import OnUnknown

BEGAN = int(datetime(2026, 11, 20, 22, tzinfo=UTC).timestamp() * 1_000_000)
"""When every night begins, in microseconds UTC."""

Down = Literal["refused", "unreachable", "reset", "silent", "json", "html", "door"]
"""How a provider fails for everybody: no connection, at once or after a while; a reset
or silence after the request left; an error of its own; a gateway's page; such a page
for purchases alone, while a living front door answers every question."""

DOWNS: Sequence[Down] = (
    *("refused", "unreachable", "reset", "silent", "json", "html", "door"),
)

KILLED_AT = ("send", "reply", "write", "written", "stored", "any")
"""Where a kill strikes: before a request arrives, after its reply; before a write to
the disk, after it; in the middle of a write to the ZIP; wherever comes first."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Seconds of the night in which the provider fails for everybody."""

    begins_s: float
    ends_s: float
    kind: Down


@dataclass(frozen=True, slots=True)
class Interruption:
    """An end of the process, and how long nobody starts it again."""

    at_s: float
    kind: Literal["kill", "stop"]
    where: str
    pause_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """How often each thing goes wrong, as shares.

    Attributes:
        throttled: A purchase meets a 429 for no reason of ours; so may a poll.
        lost: A purchase is charged, and its reply never comes whole.
        failed: An accepted task fails; a purchase without tasks is an error.
        hangs: A task takes hours, or never ends.
        forgotten: A task is not known any more.
        empty: A success without an image.
        gone: An image is deleted before anybody could fetch it.
        unread: A poll or a download meets an error that passes.
        cut: A download breaks off, or brings something else.
        charged: A purchase is charged of which we cannot know.
    """

    throttled: float = 0.0
    error: float = 0.0
    page: float = 0.0
    lost: float = 0.0
    failed: float = 0.0
    hangs: float = 0.0
    forgotten: float = 0.0
    empty: float = 0.0
    gone: float = 0.0
    unread: float = 0.0
    cut: float = 0.0
    charged: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One night, drawn from a seed or by hypothesis.

    Attributes:
        rpm: What the job says: a number, `auto`, or None.
        budget: Share of what all rows cost at most; None for no budget.
        own_rpm: What the provider takes in any 60 s; None for no limit.
        own_places: Purchases that it works on at once.
        quota: Purchases in any one of its days; None for no limit.
        day_s: How long its days are.
        out_of_quota: The status that says so.
        says_wait: Whether its 429s say for how long to wait.
        latency_s: How long an image takes as a rule.
        drift: How far that wanders in the course of the night, as a factor.
        refused: Share of the rows that it refuses for their content.
        twins: Share of the rows that ask for two images.
        link_life_s: How long links work.
        stalls: Share of the writes for which the disk takes seconds.
    """

    seed: int
    provider: str
    rows: int
    rpm: float | Literal["auto"] | None = None
    concurrency: int | Literal["auto"] = 16
    budget: Decimal | None = None
    on_unknown: OnUnknown = "retry"
    max_unknown: int = 1
    max_attempts: int = 5
    own_rpm: int | None = None
    own_places: int | None = None
    quota: int | None = None
    day_s: float = 4 * 3600.0
    out_of_quota: Literal[402, 429] = 429
    says_wait: bool = True
    latency_s: float = 20.0
    drift: float = 1.0
    refused: float = 0.0
    twins: float = 0.0
    link_life_s: float = 24 * 3600.0
    stalls: float = 0.0
    odds: Odds = field(default_factory=Odds)
    outages: Sequence[Outage] = ()
    interruptions: Sequence[Interruption] = ()

    @property
    def must_end_well(self) -> bool:
        """Whether nothing is in the way of any row, however long it takes."""
        odds = self.odds
        fatal = odds.empty + odds.gone + odds.hangs + odds.forgotten + self.refused
        patient = self.max_unknown >= 20 and self.max_attempts >= 20
        keeps = self.link_life_s >= 24 * 3600 or self.provider == "foxapi"
        return not fatal and patient and keeps and self.budget is None

    def outage_at(self, now_s: float) -> Outage | None:
        """Return what fails for everybody at a time."""
        outages = (
            outage
            for outage in self.outages
            if outage.begins_s <= now_s < outage.ends_s
        )
        return next(outages, None)

    def latency_at(self, now_s: float) -> float:
        """Return how long an image takes as a rule when it is begun now."""
        wave = sin(tau * now_s / 9000.0)
        return self.latency_s * float(self.drift**wave)


def draw(seed: int, rows: int, provider: str | None = None) -> Schedule:
    """Draw a night: of eight hours if there are rows enough, else of fewer."""
    rng = random.Random(f"night {seed}")
    name = rng.choice(["aimlapi", "foxapi"])
    hours = min(8.0, max(0.5, rows / 400 * rng.uniform(0.5, 1.0)))
    is_kind = rng.random() < 0.4
    pace = rows / hours / 60
    places = max(2, int(pace * rng.uniform(0.5, 1.5)))
    own_rpm = rng.choice([None, max(3, int(pace * rng.uniform(1.1, 2.0)))])
    return Schedule(
        seed=seed,
        provider=provider or name,
        rows=rows,
        rpm=_said_rpm(rng, pace, own_rpm),
        concurrency=rng.choice([places, places, "auto"]),
        budget=None if is_kind else rng.choice([None, None, Decimal("0.6")]),
        on_unknown="retry" if is_kind else rng.choice(["retry", "retry", "hold"]),
        max_unknown=20 if is_kind else rng.choice([1, 1, 3]),
        max_attempts=50 if is_kind else rng.choice([5, 5, 2]),
        own_rpm=own_rpm,
        own_places=rng.choice([None, None, max(2, places // 2), places]),
        quota=rng.choice([None, None, None, int(rows * rng.uniform(0.4, 0.9)) + 1]),
        day_s=rng.choice([3600.0, 4 * 3600.0]),
        out_of_quota=rng.choice([402, 429]),
        says_wait=rng.random() < 0.6,
        latency_s=rng.uniform(2.0, 30.0),
        drift=rng.uniform(1.0, 6.0),
        refused=0.0 if is_kind else rng.choice([0.0, 0.05]),
        twins=rng.choice([0.0, 0.1]),
        link_life_s=24 * 3600.0 if is_kind else rng.choice([24 * 3600.0, 900.0]),
        odds=_kind_odds(rng) if is_kind else _odds(rng),
        outages=_outages(rng, hours * 3600),
        interruptions=_interruptions(rng, hours * 3600),
        stalls=rng.choice([0.0, 0.0, 0.02]),
    )


def _said_rpm(
    rng: random.Random, pace: float, own: int | None
) -> float | Literal["auto"] | None:
    fits = own or max(3, int(pace * 1.5))
    return rng.choice([None, "auto", fits, fits, max(2, int(fits * 0.8)), fits * 2])


def _share(rng: random.Random, max_share: float) -> float:
    return rng.choice([0.0, rng.uniform(0.0, max_share)])


def _kind_odds(rng: random.Random) -> Odds:
    return Odds(
        throttled=_share(rng, 0.05),
        error=_share(rng, 0.05),
        page=_share(rng, 0.03),
        lost=_share(rng, 0.03),
        failed=_share(rng, 0.05),
        unread=_share(rng, 0.1),
        cut=_share(rng, 0.05),
        charged=rng.choice([0.0, 0.5, 1.0]),
    )


def _odds(rng: random.Random) -> Odds:
    return Odds(
        throttled=_share(rng, 0.1),
        error=_share(rng, 0.1),
        page=_share(rng, 0.05),
        lost=_share(rng, 0.05),
        failed=_share(rng, 0.1),
        hangs=_share(rng, 0.02),
        forgotten=_share(rng, 0.02),
        empty=_share(rng, 0.03),
        gone=_share(rng, 0.02),
        unread=_share(rng, 0.2),
        cut=_share(rng, 0.1),
        charged=rng.choice([0.0, 0.5, 1.0]),
    )


def _outages(rng: random.Random, night_s: float) -> list[Outage]:
    outages = []
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        begins = rng.uniform(0, night_s)
        lasts = night_s * rng.choice([0.01, 0.05, 0.25])
        outages.append(Outage(begins, begins + lasts, rng.choice(DOWNS)))
    return outages


def _interruptions(rng: random.Random, night_s: float) -> list[Interruption]:
    moments = sorted(
        rng.uniform(0, night_s) for _ in range(rng.choice([0, 1, 2, 4, 8]))
    )
    return [
        Interruption(
            at,
            rng.choice(["kill", "kill", "kill", "stop"]),
            rng.choice(KILLED_AT),
            rng.choice([0.0, 2.0, 30.0, rng.uniform(0, night_s / 10)]),
        )
        for at in moments
    ]
