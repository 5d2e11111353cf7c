"""Read the result table's rows out of the ledger, slice by slice."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from batchgen.ledger.reader import Reader, attempt_record
from batchgen.ledger.records import AttemptRecord
from batchgen.model import Basis, FileRecord, ResultRow, State, Status, to_usd

Slice = tuple[list[ResultRow], bytes | None]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WEAKEST_LAST = tuple(Basis)


def result_slices(ledger: Reader, archive: str) -> Iterator[Slice]:
    """Yield all rows of the manifest in order, with its own columns as Arrow IPC.

    Args:
        ledger: The ledger; it may be written meanwhile.
        archive: File name of the archive, as the table's `files` name it.
    """
    generation = ledger.generation
    slices = ledger.run("result_slices", (generation,)).fetchall()
    if not slices:
        return  # the manifest could not be read as far as its first rows
    total = ledger.run("planned_count", (generation,)).fetchone()[0]
    ends = [part["first"] for part in slices[1:]] + [total]
    for part, end in zip(slices, ends, strict=True):
        yield _rows(ledger, generation, (part["first"], end), archive), part["ipc"]


def directory_images(ledger: Reader) -> Iterator[dict[str, Any]]:
    """Yield the stored images of the manifest's rows, in its order, each once."""
    last = None
    values = {"generation": ledger.generation}
    for row in ledger.run("directory_images", values):
        place = (row["position"], row["image"])
        if place != last:
            yield dict(row)
        last = place


def _rows(
    ledger: Reader, generation: int, span: tuple[int, int], archive: str
) -> list[ResultRow]:
    values = (generation, *span)
    attempts: dict[int, list[AttemptRecord]] = defaultdict(list)
    for row in ledger.run("result_attempts", values):
        values_of = dict(row)
        attempts[values_of.pop("for_row")].append(attempt_record(values_of))
    images: dict[int, dict[int, FileRecord]] = defaultdict(dict)
    for row in ledger.run("result_images", values):
        # An image bought twice stands once: the first that was stored.
        images[row["row_id"]].setdefault(
            row["image"],
            FileRecord(
                name=row["name"],
                archive=archive,
                image=row["image"],
                media_type=row["media_type"],
                width_px=row["width_px"],
                height_px=row["height_px"],
                size_bytes=row["size_bytes"],
                sha256=row["sha256"].hex(),
            ),
        )
    return [
        _result(
            dict(row),
            attempts.get(row["row_id"], []),
            tuple(images.get(row["row_id"], {}).values()),
        )
        for row in ledger.run("result_rows", values)
    ]


def _result(
    row: dict[str, object],
    attempts: Sequence[AttemptRecord],
    files: tuple[FileRecord, ...],
) -> ResultRow:
    stated = row["request"] or row["plan_request"]
    request = json.loads(str(stated)) if stated else {}
    status, error, message = _standing(row)
    last = _deciding(attempts)
    shared_with = _text(row["shared_with"])
    own = last
    if shared_with is not None:
        attempts, own = (), None  # another row's purchase: it is counted there
    risky = [it for it in attempts if it.at_risk]
    cost, basis = _cost(attempts)
    succeeded = status is Status.SUCCEEDED
    return ResultRow(
        row=_int(row["position"]),
        id=str(row["plan_id"] if row["plan_id"] is not None else row["position"]),
        status=status,
        prompt=request.get("prompt"),
        provider=last.provider if last else _text(row["provider"]),
        model=last.model if last else _text(row["model"]),
        aspect_ratio=last.aspect_ratio if last else request.get("aspect_ratio"),
        resolution=last.resolution if last else request.get("resolution"),
        files=files,
        attempts=sum(it.counts for it in attempts),
        cost_usd=cost,
        cost_basis=basis,
        at_risk_usd=_sum([it.ceiling for it in risky]),
        at_risk_attempts=len(risky),
        estimated_usd=usd_of(row["estimate"]) if shared_with is None else to_usd(0),
        error=error,
        message=message,
        warning=_warnings(row, attempts),
        request_id=(own.request_id or own.task_id) if own else None,
        started_at=moment_of(min((it.sent_at for it in attempts), default=None)),
        finished_at=_finished(status, attempts),
        latency_s=own.latency_s if own and succeeded else None,
        shared_with=shared_with,
    )


def _standing(row: dict[str, object]) -> tuple[Status, str | None, str | None]:
    if row["problem"] is not None and row["status"] != Status.SUCCEEDED:
        column = f"{row['at_column']}: " if row["at_column"] else ""
        line = f"line {row['line']}, " if row["line"] is not None else ""
        where = f"row {row['position']}, {line}{column}"
        return Status.INVALID, "invalid", f"{where}{row['problem']}"
    of = "shared_" if row["shares"] is not None else ""
    status, error, message = (row[of + it] for it in ("status", "error", "message"))
    return Status(str(status)), _text(error), _text(message)


def _deciding(attempts: Sequence[AttemptRecord]) -> AttemptRecord | None:
    stored = [it for it in attempts if it.state is State.STORED]
    candidates = stored or attempts
    return candidates[-1] if candidates else None


def _cost(attempts: Sequence[AttemptRecord]) -> tuple[Decimal | None, Basis]:
    """Return what is known to have been charged, and the weakest basis of it.

    Money at risk is not part of it: the table's sum is what was spent for certain.
    Where all is at risk the cost is unknown, and never 0.
    """
    bases = {it.basis for it in attempts} - {Basis.NONE}
    if not bases and any(it.at_risk for it in attempts):
        return None, Basis.UNKNOWN
    weakest = max(bases, key=_WEAKEST_LAST.index, default=Basis.NONE)
    return _known_cost(attempts), weakest


def _known_cost(attempts: Sequence[AttemptRecord]) -> Decimal | None:
    return _sum([it.cost for it in attempts if it.basis is not Basis.NONE])


def _sum(amounts: Sequence[int | None]) -> Decimal | None:
    known = [it for it in amounts if it is not None]
    return to_usd(sum(known)) if len(known) == len(amounts) else None


def _warnings(row: dict[str, object], attempts: Sequence[AttemptRecord]) -> str | None:
    """Return what was made otherwise than it was asked for."""
    left_out = row["warning"] if row["status"] == Status.SUCCEEDED else None
    found = (left_out, *(it.warning for it in attempts))
    return "; ".join(dict.fromkeys(str(it) for it in found if it)) or None


def _finished(status: Status, attempts: Sequence[AttemptRecord]) -> datetime | None:
    if status is Status.PENDING:
        return None
    ends = [it.ended_at for it in attempts if it.ended_at is not None]
    return moment_of(max(ends, default=None))


def moment(micros: int) -> datetime:
    """Return microseconds since 1970 as an aware time."""
    return _EPOCH + timedelta(microseconds=micros)


def moment_of(micros: int | None) -> datetime | None:
    """Return a moment that may not have come."""
    return None if micros is None else moment(micros)


def usd_of(nano: object) -> Decimal | None:
    """Return nano-dollars as US dollars; None where they are not known."""
    return to_usd(nano) if isinstance(nano, int) else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
