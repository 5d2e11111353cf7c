"""Every attempt as accounting needs it, and charges that a bill corrects."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from batchgen.ledger.attempt_money import usd_of
from batchgen.ledger.from_rows import attempt_of, by_name
from batchgen.ledger.ledger import Ledger
from batchgen.ledger.reader import Reader
from batchgen.ledger.records import AttemptRecord, basis_of, is_at_risk
from batchgen.ledger.results import moment_of
from batchgen.model import Basis, PurchaseRow, State, utc

_SLICE = 4096
_STATES = {state.value: state for state in State}


class _Line(NamedTuple):
    """A line of `purchases`."""

    position: int | None
    name: str | None
    number: int
    attempt_id: int
    sent_at: int
    accepted_at: int | None
    ended_at: int | None
    provider: str
    model: str
    resolution: str | None
    images: int
    state: str
    request_id: str | None
    task_id: str | None
    charge: str | None
    cost: int | None
    uncertain: int
    expected: int | None
    ceiling: int | None
    error: str | None
    message: str | None
    base_url: str
    first_image: int
    aspect_ratio: str | None
    again: str | None
    counts: int
    floor: int | None
    warning: str | None
    latency_s: float | None
    key: int
    fingerprint: str


def purchase_slices(ledger: Reader) -> Iterator[list[PurchaseRow]]:
    """Yield all attempts, oldest first, whether or not the manifest has their rows."""
    lines = ledger.stream("purchases", {"generation": ledger.generation})
    rows = map(_purchase, map(_Line._make, lines))
    while part := list(islice(rows, _SLICE)):
        yield part


def providers_bought_from(ledger: Reader) -> list[str]:
    """Return every provider that anything was sent to."""
    return [row[0] for row in ledger.execute("providers_bought_from")]


def purchases_of(ledger: Reader, provider: str) -> Iterator[tuple[AttemptRecord, str]]:
    """Yield the attempts at one provider, oldest first, with a label of their row."""
    for row in ledger.execute("purchases_of", (ledger.generation, provider)):
        values = by_name(row)
        name, position = values.pop("row_name"), values.pop("position")
        where = "a retired row" if position is None else f"row {position}"
        label = where if name is None else f"{where} ({name})"
        yield attempt_of(values), label


def settle_charge(ledger: Ledger, attempt_id: int, nano: int) -> None:
    """Write down an attempt's charge from the provider's bill; its state stays.

    The earlier charge is kept beside it, for `unsettle_charges`.
    """
    ledger.execute("purchase_settle", (nano, attempt_id))
    ledger.mark_outputs_stale()


def unsettle_charges(ledger: Ledger, provider: str | None) -> int:
    """Take back charges from bills: each attempt costs what it did before.

    Ceilings that a bill raised are lowered again, unless another charge is as high.

    Args:
        ledger: The ledger.
        provider: Of the bills; None for all providers.

    Returns:
        How many attempts changed.
    """
    values = {"provider": provider}
    changed = ledger.execute("purchases_unsettle", values).rowcount
    if changed:
        ledger.execute("ceilings_lower", values)
        for highest in ledger.highest_charges():
            ledger.raise_ceiling(*highest)
        ledger.mark_outputs_stale()
    return changed


def settled_without_note(ledger: Reader, provider: str | None) -> int:
    """Count attempts whose charge from before the bill was not written down."""
    values = {"provider": provider}
    count: int = ledger.execute("purchases_settled_without_note", values).fetchone()[0]
    return count


def _purchase(line: _Line) -> PurchaseRow:
    cost_usd, basis, at_risk_usd = _money(
        line.state, line.charge, line.cost, line.uncertain, line.ceiling
    )
    place = None if line.position is None else str(line.position)
    return PurchaseRow(
        row=line.position,
        id=place if line.name is None else line.name,
        attempt=line.number,
        attempt_id=line.attempt_id,
        sent_at=utc(line.sent_at),
        accepted_at=moment_of(line.accepted_at),
        ended_at=moment_of(line.ended_at),
        provider=line.provider,
        model=line.model,
        resolution=line.resolution,
        images=line.images,
        state=_STATES[line.state],
        request_id=line.request_id,
        task_id=line.task_id,
        cost_usd=cost_usd,
        cost_basis=basis,
        at_risk_usd=at_risk_usd,
        expected_usd=usd_of(line.expected),
        ceiling_usd=usd_of(line.ceiling),
        error=line.error,
        message=line.message,
        retired=line.position is None,
        base_url=line.base_url,
        first_image=line.first_image,
        aspect_ratio=line.aspect_ratio,
        again=line.again,
        counts=bool(line.counts),
        floor_usd=usd_of(line.floor),
        warning=line.warning,
        latency_s=line.latency_s,
        row_key=line.key,
        row_fingerprint=line.fingerprint,
    )


@lru_cache(maxsize=4096)
def _money(
    state: str,
    charge: str | None,
    cost: int | None,
    uncertain: int,
    ceiling: int | None,
) -> tuple[Decimal | None, Basis, Decimal | None]:
    """Return cost, basis and money at risk; cached, since most attempts are alike."""
    if is_at_risk(state, charge):
        return None, Basis.UNKNOWN, usd_of(ceiling)
    basis = basis_of(charge, is_priced=cost is not None)
    return usd_of(cost), basis, usd_of(uncertain)
