"""The ways in which an image comes home, and what a kill may cost on each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from batchgen.providers import PROVIDERS
from tests.crash.points import POINTS
from tests.crash.power import POWER_POINTS
from tests.providers.expected import Way, facts_of

Loss = Literal["nothing", "reply", "part"]
"""What a kill takes: nothing; a reply that was written down nowhere, so that its
price is at risk and the row is bought again; or some of the images that came with a
reply, whose price is known and which are bought again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One way for an image to come home.

    Attributes:
        way: How images come: by a link in the reply, in it, or by a task's links.
        n: Images of each row, all of them one purchase.
        uploads: Whether rows have reference images that are uploaded.
    """

    provider: str
    way: Way
    resolution: str
    n: int = 1
    uploads: bool = False

    def in_flight(self, count: int) -> int:
        """Return how many purchases may run at once, if the account sells so many."""
        is_one = PROVIDERS[self.provider].defaults.concurrency == 1
        return 1 if is_one else count


def _mode(provider: str) -> Mode:
    facts = facts_of(provider)
    runs = facts.runs
    return Mode(
        provider=provider,
        way=facts.way,
        resolution=runs.resolution,
        n=runs.n,
        uploads=runs.uploads,
    )


MODES = {name: _mode(name) for name in PROVIDERS}
"""By provider, the rows of one purchase each that its runs buy."""

ONCE = frozenset(
    point
    for point in POINTS
    if point.startswith(("folder", "schema", "plan-", "outputs", "walk", "tail"))
    or point.startswith(
        ("metadata", "entries", "end-", "directory", "table", "upload-kept")
    )
)
"""Points that a run may pass once only, however many rows it has."""

_OF_TASKS = frozenset(
    point for point in POINTS if point.startswith(("accepted", "poll"))
)
_OF_UPLOADS = frozenset(point for point in POINTS if point.startswith("upload"))
_OF_LINKS = frozenset({"download-before", "download-after"})
_OF_TORN_ZIPS = frozenset({"tail-before-cut", "tail-after-cut"})

_SENT = ("sent-after-commit", "request-before", "request-leaves")
_UNREAD = ("reply-head", "reply-read", "accepted-before-commit")
_UNSTORED = ("zip-before-append", "zip-half-appended")
_REPLIES: dict[Way, frozenset[str]] = {
    "link": frozenset(
        {*_SENT, *_UNREAD, "ended-before-commit", "delivered-before-commit"}
    ),
    "inline": frozenset({*_SENT, *_UNREAD, "ended-before-commit", *_UNSTORED}),
    "task": frozenset({*_SENT, *_UNREAD}),
}
"""Points at which a request is written down, and its reply is not."""

_MEANWHILE = frozenset(point for point in POINTS if point.startswith("plan-adopted"))
"""Points at which the first rows are on their way already."""


def points_of(mode: Mode) -> list[str]:
    """Return the points that its runs pass."""
    lacking = _OF_TORN_ZIPS
    lacking |= frozenset() if mode.way == "task" else _OF_TASKS
    lacking |= frozenset() if mode.uploads else _OF_UPLOADS
    lacking |= _OF_LINKS if mode.way == "inline" else frozenset()
    return [point for point in POINTS if point not in lacking]


def loss_at(mode: Mode, point: str) -> Loss | None:
    """Say what a kill at a point takes of the row that came to it; None: it depends."""
    if point in _MEANWHILE:
        return None
    if point == "ended-before-commit" and mode.way == "task":
        return None  # some are refused before they are tasks
    if point not in _REPLIES[mode.way]:
        return "nothing"
    return "part" if point == "zip-half-appended" and mode.n > 1 else "reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kill.

    Attributes:
        nth: At which passing of the point; 1 is a run of one row.
        after: Where the run was killed once before.
        power: Seed of a power loss; None for a process that is killed and no more.
    """

    mode: str
    point: str
    nth: int = 1
    after: str | None = None
    power: int | None = None

    def __str__(self) -> str:
        words = [self.mode, self.point, str(self.nth)]
        words += ["after", self.after] if self.after else []
        words += ["power", str(self.power)] if self.power is not None else []
        return "-".join(words)


def cases_of(name: str) -> Iterator[Case]:
    """Yield each point of a mode: in a run of its own, among others, while resuming."""
    for point in points_of(MODES[name]):
        yield Case(mode=name, point=point)
        if point not in ONCE:
            yield Case(mode=name, point=point, nth=2)
    for point in sorted(_OF_TORN_ZIPS):
        yield Case(mode=name, point=point, after="zip-half-appended")
    # The image stands in the ZIP alone, and the next run is killed as it finds it.
    for point in ("walk-before", "walk-after", "stored-before-commit"):
        yield Case(mode=name, point=point, after="zip-after-sync")


def power_cases(name: str, seeds: range) -> Iterator[Case]:
    """Yield a loss of power wherever something was written and is not safe yet."""
    passed = set(points_of(MODES[name]))
    for point in (power_point for power_point in POWER_POINTS if power_point in passed):
        nth = 1 if point in ONCE or point.startswith("planned") else 2
        for seed in seeds:
            yield Case(mode=name, point=point, nth=nth, power=seed)
