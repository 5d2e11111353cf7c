"""The table of purchases: every attempt, and charges that a bill corrects."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from batchgen.ledger.attempt_money import money_of, usd_of
from batchgen.ledger.from_rows import attempt_of, by_name
from batchgen.ledger.ledger import Ledger
from batchgen.ledger.reader import Reader
from batchgen.ledger.records import AttemptRecord
from batchgen.ledger.results import moment_of
from batchgen.model import PurchaseRow, State

_SLICE = 4096
_STATES = {state.value: state for state in State}


_COLUMNS = (
    *("row", "id", "attempt", "attempt_id", "sent_at", "accepted_at", "ended_at"),
    *("provider", "model", "resolution", "images", "state", "request_id", "task_id"),
    *("charge", "cost", "uncertain", "expected_usd", "ceiling_usd", "error", "message"),
    *("base_url", "first_image", "aspect_ratio", "again", "counts", "floor_usd"),
    *("warning", "latency_s", "row_key", "row_fingerprint"),
)
"""The columns of the query `purchases`, with the names of `PurchaseRow`."""


def purchase_slices(ledger: Reader) -> Iterator[list[PurchaseRow]]:
    """Yield all attempts, oldest first, whether or not the manifest has their rows."""
    rows = map(_purchase, ledger.stream("purchases", {"generation": ledger.generation}))
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
    return ledger.number("purchases_settled_without_note", {"provider": provider})


def _purchase(line: tuple[Any, ...]) -> PurchaseRow:
    values = dict(zip(_COLUMNS, line, strict=True))
    charge, cost, uncertain = map(values.pop, ("charge", "cost", "uncertain"))
    charged = charge, cost, uncertain, values["ceiling_usd"], values["counts"]
    money = money_of(((values["state"], *charged),))
    values["retired"] = values["row"] is None
    if values["id"] is None and values["row"] is not None:
        values["id"] = str(values["row"])
    for name in ("sent_at", "accepted_at", "ended_at"):
        values[name] = moment_of(values[name])
    for name in ("expected_usd", "ceiling_usd", "floor_usd"):
        values[name] = usd_of(values[name])
    return PurchaseRow(
        **values
        | {
            "state": _STATES[values["state"]],
            "counts": bool(values["counts"]),
            "cost_usd": money.cost_usd,
            "cost_basis": money.cost_basis,
            "at_risk_usd": money.at_risk_usd,
        }
    )
