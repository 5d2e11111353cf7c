"""The keys of the table `meta`, each declared once with its type."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

if TYPE_CHECKING:
    from batchgen.ledger.ledger_file import QueryRunner

Value = str | int | float | bytes | None
"""What SQLite stores."""

T = TypeVar("T")
D = TypeVar("D")

_MAX_COUNT = 1 << 60


class Key(Generic[T, D]):
    """A key as an attribute of `Meta`.

    Args:
        name: As it is stored.
        kind: Of its values; a value of another type counts as none.
        default: Read if there is no value.
        is_valid: Says whether a value is one that batchgen writes.
    """

    def __init__(
        self,
        name: str,
        kind: type[T],
        default: D,
        is_valid: Callable[[object], bool] = lambda _: True,
    ) -> None:
        self.name = name
        self.is_valid = is_valid
        self._kind = kind
        self._default = default

    @overload
    def __get__(self, meta: None, owner: type[Meta]) -> Self: ...

    @overload
    def __get__(self, meta: Meta, owner: type[Meta]) -> T | D: ...

    def __get__(self, meta: Meta | None, owner: type[Meta]) -> Self | T | D:
        if meta is None:
            return self
        value = meta.file.read_meta(self.name)
        return value if isinstance(value, self._kind) else self._default

    def __set__(self, meta: Meta, value: T | None) -> None:
        stored: Any = value  # of a type that SQLite stores
        meta.file.write_meta(self.name, stored)


def _text(name: str) -> Key[str, None]:
    return Key(name, str, None)


def _bytes(name: str) -> Key[bytes, None]:
    return Key(name, bytes, None)


def _number(name: str) -> Key[int, int]:
    return Key(name, int, 0, _is_count)


def _json(name: str, *keys: str) -> Key[str, None]:
    """Declare a JSON object that has some of these keys; any keys if none is named."""
    return Key(name, str, None, partial(_is_plain_object, frozenset(keys)))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < _MAX_COUNT


def _is_list_of_words(value: object) -> bool:
    return isinstance(value, str) and value.replace(",", "a").isalpha()


def _is_plain_object(keys: frozenset[str], value: object) -> bool:
    try:
        document = json.loads(value) if isinstance(value, str) else None
    except (ValueError, RecursionError):
        return False
    has_keys = isinstance(document, dict) and (not keys or keys >= document.keys())
    return has_keys and _is_plain(document)


def _is_plain(value: object) -> bool:
    """Say whether a value has only numbers, digests and objects of these."""
    if isinstance(value, dict):
        return all(_is_plain(each) for name, each in value.items() if name != "digest")
    return value is None or isinstance(value, int | float)


_LIMITS = ("run", "day", "by")


class Meta:
    """All keys of `meta`. Their names never change, so that old ledgers can be read.

    Attributes:
        generation: The reading of the manifest that is in use.
        plan_digest: Of everything that the plan depends on; None while the plan is
            incomplete.
        plan_rows: How many rows the plan has.
        user_schema: Arrow schema of the manifest's own columns.
        table_starts: Position of the first row of each file of the manifest, if there
            are several, by the file's number.
        reading: How far an unfinished reading came.
        openings: How often the folder was opened while a reading is unfinished.
        outputs: `fresh` while ZIP and tables agree with the ledger, `stale` once the
            ledger has changed, `writing` while they are written.
        tables: Formats of the result table besides Parquet, parted by commas.
        archive_end: Offset behind the last committed image of the archive.
        archive_switch: Size of the compacted archive that replaces the old one; 0 for
            none.
        mode: What kind of run this is: `real`, `loopback` or `rehearsal`.
        source: The manifest or job file, relative to the folder.
        command: The last run's command line as a JSON list.
        limits: Budgets of the last run.
        budget_needed: The amounts that would have been enough, if budgets stopped the
            last run.
        rates: Purchases a minute that each provider is allowed, as JSON.
        salt: Of the digests of keys.
    """

    generation = _number("generation")
    plan_digest = _text("plan_digest")
    plan_rows = _number("plan_rows")
    user_schema = _bytes("own_schema")
    table_starts = _json("table_starts")
    reading = _json("reading", "digest", "generation", "rows", "openings", "dealt")
    openings = _number("openings")
    outputs = _text("outputs")
    tables = Key("tables", str, "", _is_list_of_words)
    archive_end = _number("archive_end")
    archive_switch = _number("archive_switch")
    mode = _text("realm")
    source = _text("source")
    command = _text("command")
    limits = _json("limits", *_LIMITS)
    budget_needed = _json("budget_needed", *_LIMITS)
    rates = _json("rates")
    salt = _bytes("salt")

    def __init__(self, file: QueryRunner) -> None:
        self.file = file

    # -- a value for each provider's address

    def found_limits(self, provider: str, base_url: str) -> str | None:
        """Return rate and concurrency that an address was seen to allow, as JSON."""
        value = self.file.read_meta(f"{_FOUND}{provider} {base_url}")
        return value if isinstance(value, str) else None

    def set_found_limits(self, provider: str, base_url: str, text: str) -> None:
        """Write down these limits; a step of a commit."""
        self.file.write_meta(f"{_FOUND}{provider} {base_url}", text)

    def all_found_limits(self) -> list[tuple[str, str]]:
        """Return providers, and these limits of each of their addresses."""
        values = self.file.read_meta_under(_FOUND)
        return [
            (address.partition(" ")[0], text)
            for address, text in values.items()
            if isinstance(text, str)
        ]

    def models_that_worked(self, provider: str, base_url: str) -> dict[str, Value]:
        """Return the digest of the key that each model worked with last."""
        return self.file.read_meta_under(_worked_under(provider, base_url))

    def set_model_worked(
        self, provider: str, base_url: str, model: str, digest: bytes
    ) -> None:
        """Write down that a model worked with a key; a step of a commit."""
        self.file.write_meta(f"{_worked_under(provider, base_url)}{model}", digest)


_FOUND = "found "


def _worked_under(provider: str, base_url: str) -> str:
    return f"worked {provider} {base_url} "


_KEYS: Mapping[str, Key[Any, Any]] = {
    key.name: key for key in vars(Meta).values() if isinstance(key, Key)
}


def is_valid_meta(name: str, value: object) -> bool:
    """Say whether a stored value has the type that its reader relies on."""
    key = _KEYS.get(name)
    return value is None or key is None or key.is_valid(value)
