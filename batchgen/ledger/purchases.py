"""Every attempt as accounting wants it, and what a provider's bill says of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from batchgen.ledger.ledger import Ledger
from batchgen.ledger.reader import Reader, attempt_record
from batchgen.ledger.records import AttemptRecord
from batchgen.ledger.results import moment, moment_of, usd_of
from batchgen.model import Basis, PurchaseRow, to_usd

_SLICE = 4096


def purchase_slices(ledger: Reader) -> Iterator[list[PurchaseRow]]:
    """Yield all attempts, oldest first, whether or not the manifest has their rows."""
    found = ledger.run("purchases", {"generation": ledger.generation})
    rows = (_purchase(dict(row)) for row in found)
    while part := list(islice(rows, _SLICE)):
        yield part


def providers_bought_from(ledger: Reader) -> list[str]:
    """Return every provider that anything was sent to."""
    return [row[0] for row in ledger.run("providers_bought_from")]


def purchases_of(ledger: Reader, provider: str) -> Iterator[tuple[AttemptRecord, str]]:
    """Yield the attempts at one provider, oldest first, with how to name their row."""
    for row in ledger.run("purchases_of", (ledger.generation, provider)):
        values_of = dict(row)
        name, position = values_of.pop("row_name"), values_of.pop("position")
        where = "a retired row" if position is None else f"row {position}"
        label = where if name is None else f"{where} ({name})"
        yield attempt_record(values_of), label


def settle_charge(ledger: Ledger, attempt_id: int, nano: int) -> None:
    """Write down what the provider's bill says of an attempt; its state stays."""
    ledger.run("purchase_settle", (nano, attempt_id))
    ledger.run("outputs_stale")


def _purchase(values: dict[str, Any]) -> PurchaseRow:
    name, position = values.pop("row_name"), values.pop("position")
    number = values.pop("number")
    it = attempt_record(values)
    return PurchaseRow(
        row=position,
        id=name if name is not None or position is None else str(position),
        attempt=number,
        attempt_id=it.attempt_id,
        sent_at=moment(it.sent_at),
        accepted_at=moment_of(it.accepted_at),
        ended_at=moment_of(it.ended_at),
        provider=it.provider,
        model=it.model,
        resolution=it.resolution,
        images=it.images,
        state=it.state,
        request_id=it.request_id,
        task_id=it.task_id,
        cost_usd=None if it.at_risk else usd_of(it.cost),
        cost_basis=Basis.UNKNOWN if it.at_risk else it.basis,
        at_risk_usd=usd_of(it.ceiling) if it.at_risk else to_usd(0),
        expected_usd=usd_of(it.expected),
        ceiling_usd=usd_of(it.ceiling),
        error=it.error,
        message=it.message,
        retired=position is None,
    )
