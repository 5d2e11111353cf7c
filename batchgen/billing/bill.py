"""Read a provider's usage export: CSV, JSON or JSON Lines with id, time and amount."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TextIO

from batchgen.errors import SpecError
from batchgen.manifest.wording import refuse_irregular
from batchgen.model import micros_of, to_nano

_DELIMITERS = ",;\t|"
# Seconds since 1970 have ten digits until 2286, milliseconds thirteen.
_MAX_SECONDS = 10**11
_MAX_MILLISECONDS = 10**14

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line of a bill.

    Attributes:
        number: Line number in the file; in JSON the position in the list, from 1.
        id: The provider's id of the request or task; None if the line has none.
        at: Microseconds UTC since 1970.
        nano: Nano-dollars; negative for a refund.
    """

    number: int
    id: str | None
    at: int
    nano: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BillFormat:
    """How to read an export.

    Attributes:
        id, time, amount: Names of the columns; `id` may be missing in the file.
        usd_per_unit: US dollars in one unit of `amount`.
        zone: Time zone of times without an offset.
    """

    id: str = "id"
    time: str = "time"
    amount: str = "amount"
    usd_per_unit: Decimal = Decimal(1)
    zone: tzinfo = UTC


def read_bill(path: Path, form: BillFormat) -> list[BillLine]:
    """Read an export whole.

    Raises:
        SpecError: it cannot be read; the text names file, line and column.
    """
    refuse_irregular(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [_line(*entry, path, form) for entry in _entries(file, path, form)]
    except UnicodeDecodeError as error:
        raise SpecError(f"{path} is not UTF-8 text; export it as such") from error
    except OSError as error:
        reason = error.strerror or error
        raise SpecError(f"cannot read {path}: {reason}") from error
    except csv.Error as error:
        raise SpecError(f"{path} is no CSV file: {error}") from error


def parse_time(value: object, zone: tzinfo) -> int:
    """Return a time in ISO 8601, or a number since 1970, as microseconds UTC.

    Raises:
        ValueError: it is neither.
    """
    text = str(value).strip()
    try:
        number = Decimal(text)
    except InvalidOperation:
        moment = datetime.fromisoformat(text.removesuffix(" UTC"))
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return micros_of(zoned)
    if not number.is_finite():
        raise ValueError(text)
    if number < _MAX_SECONDS:
        return int(number * 1_000_000)
    return int(number * 1000 if number < _MAX_MILLISECONDS else number)


def _entries(file: TextIO, path: Path, form: BillFormat) -> Iterator[tuple[int, Entry]]:
    first = next((line for line in file if line.strip()), "").lstrip()
    file.seek(0)
    if not first:
        raise SpecError(f"{path} is empty")
    if first[0] not in "[{":
        yield from _csv_entries(file, first, path)
    elif first[0] == "{" and _is_json(first):
        yield from _json_lines(file, path, form)
    else:
        yield from enumerate(_json_list(file, path), start=1)


def _csv_entries(file: TextIO, header: str, path: Path) -> Iterator[tuple[int, Entry]]:
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.DictReader(file, delimiter=delimiter)
    for entry in reader:
        if None in entry:
            raise SpecError(
                f"{path}, line {reader.line_num}: more cells than the header has"
            )
        yield reader.line_num, entry


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, ArithmeticError):
        return False
    except RecursionError:
        pass  # reported when the line is parsed
    return True


def _json_lines(
    file: TextIO, path: Path, form: BillFormat
) -> Iterator[tuple[int, Entry]]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            entry = _parse(line, f"{path}, line {number}")
            # The first line may be a whole document on one line.
            is_entry = number > 1 or {form.time, form.amount} <= entry.keys()
            inner = None if is_entry else _only_list(entry)
            yield from enumerate(inner, start=1) if inner else [(number, entry)]


def _json_list(file: TextIO, path: Path) -> list[Entry]:
    document = _parse(file.read(), str(path))
    entries = document if isinstance(document, list) else _only_list(document)
    if entries is None:
        raise SpecError(f"{path}: no list of entries, or more than one, in the JSON")
    return entries


def _only_list(document: Any) -> list[Entry] | None:
    """Return the only list in an object, whatever its key."""
    if not isinstance(document, dict):
        return None
    lists = [value for value in document.values() if isinstance(value, list)]
    return lists[0] if len(lists) == 1 else None


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except ValueError as error:
        raise SpecError(f"{where}: not JSON ({error})") from error
    except RecursionError as error:
        raise SpecError(
            f"{where}: the JSON is nested too deeply to be read; export a plain list"
        ) from error
    except ArithmeticError as error:
        raise SpecError(f"{where}: a number in it is too large") from error


def _line(number: int, entry: Entry, path: Path, form: BillFormat) -> BillLine:
    where = f"{path}, line {number}"
    if not isinstance(entry, dict):
        raise SpecError(f"{where}: not an object with {form.time} and {form.amount}")
    for name in (form.time, form.amount):
        if name not in entry:
            columns = ", ".join(map(str, entry)) or "nothing"
            raise SpecError(
                f"{where}: no column {name!r}; it has {columns}. Say which is which: "
                "--columns id=request_id,time=created_at,amount=cost"
            )
    name = str(entry.get(form.id) or "").strip()
    try:
        at = parse_time(entry[form.time], form.zone)
    except (ValueError, OverflowError) as error:
        raise SpecError(
            f"{where}, column {form.time}: {entry[form.time]!r} is no time; ISO 8601, "
            "or seconds or milliseconds since 1970, are"
        ) from error
    return BillLine(number, name or None, at, _nano(entry[form.amount], where, form))


def _nano(value: object, where: str, form: BillFormat) -> int:
    text = str(value).strip().removeprefix("$").strip()
    try:
        return to_nano(Decimal(text) * form.usd_per_unit)
    except (ArithmeticError, ValueError) as error:
        raise SpecError(
            f"{where}, column {form.amount}: {value!r} is no amount; a number with a "
            "decimal point is"
        ) from error
