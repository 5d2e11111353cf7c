"""Ledgers for the tests: rows, readings of a manifest, and attempts at them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from batchgen.errors import Again, Charge
from batchgen.ledger import (
    AttemptEnd,
    AttemptStart,
    Ledger,
    PlanEntry,
    PlanWriter,
    Reader,
    StoredImage,
    new_names,
)
from batchgen.ledger.naming import rename_row
from batchgen.manifest import key_of
from batchgen.manifest.identity import fingerprint
from batchgen.model import ImageRequest, Link, State
from batchgen.output.member_names import folded_base_names, safe_base_name

AT = 1_800_000_000_000_000
PRICE = 92_500_000
CEILING = 138_750_000


def entry(
    position: int, prompt: str = "a cup", *, id: str | None = None, n: int = 1
) -> PlanEntry:
    """Return a row that can run, as the planner judges it."""
    request = ImageRequest(prompt=prompt, n=n)
    digest = fingerprint(request, lambda _: None)
    return PlanEntry(
        position=position,
        line=position + 2,
        id=id,
        request=request,
        fingerprint=digest,
        base_name=safe_base_name(id or f"row-{position}-{digest.hex()[:8]}"),
        provider="acme",
        model="acme-1",
        resolution="1K",
        estimate=PRICE * n,
        prompt=prompt,
    )


def bad(position: int, problem: str, *, id: str | None = None) -> PlanEntry:
    """Return a row that cannot be read."""
    good = entry(position, id=id)
    return replace(good, request=None, fingerprint=None, estimate=None, problem=problem)


def read(
    ledger: Ledger,
    entries: Iterable[PlanEntry],
    digest: str = "d",
    *,
    dedupe: bool = False,
) -> None:
    """Let the ledger read a manifest with these rows to its end."""
    rows = list(entries)
    with (
        ledger.transaction(),
        closing(PlanWriter(ledger, key_of, folded_base_names, dedupe=dedupe)) as plan,
    ):
        for first in range(0, len(rows), 3):
            plan.add(rows[first : first + 3], b"ipc %d" % first, first)
        plan.end()
        plan.complete(digest, b"schema", len(rows))


def prompts(
    ledger: Ledger, texts: Iterable[str], ids: Iterable[str] | None = None
) -> None:
    """Let the ledger read a manifest that has only prompts, and ids perhaps."""
    names = list(ids) if ids is not None else None
    read(
        ledger,
        [
            entry(position, text, id=names[position] if names else None)
            for position, text in enumerate(texts)
        ],
    )


def rename(ledger: Ledger) -> None:
    """Give rows that have another's name their own, as a run does."""
    for name in new_names(ledger, ledger.generation, folded_base_names):
        rename_row(ledger, name)


def planned(ledger: Reader) -> list[dict[str, object]]:
    """Return the plan that counts, joined with its rows, in manifest order."""
    rows = ledger._connection.execute(
        "SELECT plan.id AS plan_id, plan.request AS plan_request, rows.*, plan.*"
        " FROM plan"
        " LEFT JOIN rows USING (row_id) WHERE generation = ? ORDER BY position",
        (ledger.generation,),
    )
    return [dict(row) for row in rows]


def row_ids(ledger: Reader) -> list[int]:
    row_ids = [row["row_id"] for row in planned(ledger)]
    return [row_id for row_id in row_ids if isinstance(row_id, int)]


def start(row_id: int, first: int = 1, images: int = 1) -> AttemptStart:
    return AttemptStart(
        row_id=row_id,
        first_image=first,
        images=images,
        provider="acme",
        model="acme-1",
        base_url="https://api.acme.example",
        aspect_ratio="1:1",
        resolution="1K",
        expected=PRICE * images,
        ceiling=CEILING * images,
        sent_at=AT,
    )


def ended(
    state: State,
    charge: Charge = Charge.NONE,
    cost: int | None = 0,
    *,
    again: Again = Again.LATER,
    counts: bool = True,
    error: str = "provider_down",
) -> AttemptEnd:
    return AttemptEnd(
        state=state,
        charge=charge,
        cost=cost,
        again=again,
        counts=counts,
        error=error,
        message="words",
        request_id=None,
        ended_at=AT + 1_000_000,
    )


def image(number: int = 1, name: str = "cup.png") -> StoredImage:
    return StoredImage(
        image=number,
        name=name,
        place=1000 * number,
        size_bytes=123,
        crc32=7,
        sha256=b"\1" * 32,
        media_type="image/png",
        width_px=1024,
        height_px=1024,
    )


def send_part(ledger: Ledger, row_id: int, first: int = 1, images: int = 1) -> int:
    return ledger.mark_sent(start(row_id, first, images))


def buy_images(
    ledger: Ledger,
    row_id: int,
    cost: int | None = PRICE,
    charge: Charge = Charge.REPORTED,
    numbers: Iterable[int] = (1,),
    provider: str = "acme",
) -> int:
    """Buy some images of a row, to their place in the archive."""
    numbers = list(numbers)
    first = start(row_id, numbers[0], len(numbers))
    attempt_id = ledger.mark_sent(replace(first, provider=provider))
    links = [
        (number, Link(f"https://cdn.example/{attempt_id}/{number}"))
        for number in numbers
    ]
    ledger.mark_delivered(attempt_id, links, (charge, cost), f"r{attempt_id}", 4.5)
    digest = bytes([attempt_id]) * 32
    images = [
        replace(image(number, f"row-{row_id}-{number}.png"), sha256=digest)
        for number in numbers
    ]
    ledger.mark_stored(attempt_id, images, None, AT + 2_000_000)
    return attempt_id


Walk = Callable[[Ledger, int], None]


def _deliver(ledger: Ledger, attempt_id: int) -> None:
    ledger.mark_delivered(
        attempt_id, [(1, Link("https://x"))], (Charge.REPORTED, 5), None, 1.0
    )


def _store(ledger: Ledger, attempt_id: int) -> None:
    ledger.mark_stored(attempt_id, [image()], None, AT)


def _end(state: State, charge: Charge, cost: int | None) -> Walk:
    def walk(ledger: Ledger, attempt_id: int) -> None:
        ledger.mark_ended(attempt_id, ended(state, charge, cost))

    return walk


STEPS: dict[State, Walk] = {
    State.ACCEPTED: lambda ledger, attempt_id: ledger.mark_accepted(
        attempt_id, "t-1", "t-1", AT
    ),
    State.DELIVERED: _deliver,
    State.STORED: _store,
    State.REJECTED: _end(State.REJECTED, Charge.NONE, 0),
    State.FAILED: _end(State.FAILED, Charge.NONE, 0),
    State.UNKNOWN: _end(State.UNKNOWN, Charge.UNKNOWN, None),
    State.OVERDUE: _end(State.OVERDUE, Charge.UNKNOWN, None),
}

WAYS: dict[State, tuple[State, ...]] = {
    State.SENT: (),
    State.ACCEPTED: (State.ACCEPTED,),
    State.DELIVERED: (State.DELIVERED,),
    State.STORED: (State.DELIVERED, State.STORED),
    State.REJECTED: (State.REJECTED,),
    State.FAILED: (State.FAILED,),
    State.UNKNOWN: (State.UNKNOWN,),
    State.OVERDUE: (State.ACCEPTED, State.OVERDUE),
}
"""How an attempt that was just sent comes into each state."""


def new_ledger(folder: Path, name: str = "run.db") -> Ledger:
    return Ledger(folder / name)
