"""Read a job file: TOML in which every key and value is checked."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from batchgen.errors import SpecError
from batchgen.job import budget, values
from batchgen.job.flags import provider_names
from batchgen.job.names import check_names, is_secret
from batchgen.job.said import Said, blamed
from batchgen.job.toml_errors import EXAMPLE, explain
from batchgen.manifest import KNOWN_COLUMNS, REFERENCE_ALIASES, read_resolution
from batchgen.manifest.cells import read_option, text_of
from batchgen.manifest.content import TABLES, TOML, kind_of, what_to_do
from batchgen.manifest.wording import shown
from batchgen.model import (
    OptionValue,
    Price,
    ReferenceTerms,
    by_resolution,
    type_of_option,
)
from batchgen.providers import key_variable

_SETTINGS: Mapping[str, values.Reader] = MappingProxyType(
    {
        **values.SETTINGS,
        "allow_http": values.truth,
        "max_failures": values.share,
        # One reply with a 4K image takes 50 megabytes.
        "memory": values.whole(64, 65_536),
        "unsupported": values.choice("refuse", "drop"),
    }
)
_KEYS = (
    "manifest",
    "provider",
    "model",
    "base_url",
    "out",
    "rpm",
    "concurrency",
    "endpoint",
    "price",
    *_SETTINGS,
    "budget",
    "references",
    "columns",
    "options",
    "prices",
    "providers",
)
_ABOVE: Mapping[str, str] = MappingProxyType(
    {
        key: ": it belongs to the whole job, so write it above the first [section]"
        for key in _KEYS
        if key not in (*KNOWN_COLUMNS, *type_of_option)
    }
)
"""What to say of keys that stand below a section by mistake."""

_BUDGET_KEYS = (*budget.BUDGET, "by")
_REFERENCE_KEYS = ("folder", "shrink")

_MAX_DIGITS = 300
"""As many as a floating-point number has; no amount and no count needs more."""

_LONE = ("base_url", "endpoint")
"""Keys that mean one provider: another one has other addresses."""


def read_job_file(path: Path, known_providers: Collection[str]) -> Said:
    """Read a job file; its paths are relative to itself.

    Raises:
        SpecError: it is no TOML, has a key that is not known, or a value that
            cannot be.
    """
    return _JobFile(path, known_providers).read()


class _JobFile:
    def __init__(self, path: Path, known_providers: Collection[str]) -> None:
        self._file = shown(path)
        self._folder = path.resolve().parent
        self._known = known_providers
        self._table = _parse(path)

    def read(self) -> Said:
        """Return what the file says."""
        self._check_keys()
        said = Said()
        self._read_settings(said)
        self._read_terms(said)
        self._read_prices(said)
        return said

    def _check_keys(self) -> None:
        with blamed(SpecError, self._file):
            self._refuse_keys(self._table)
            sections = {
                name: f": what is said of a provider stands under [providers.{name}]"
                for name in self._known
            }
            check_names(self._table, _KEYS, "key", sections)
            if "manifest" not in self._table:
                raise ValueError(f"`manifest` is missing: name the table, as {EXAMPLE}")

    def _refuse_keys(self, table: Mapping[str, Any]) -> None:
        """Refuse the key of an account, wherever it stands; it is not repeated."""
        for name, value in table.items():
            if isinstance(value, str) and is_secret(name):
                names = self._table.get("provider", "")
                first = names[0] if isinstance(names, list) and names else names
                chosen = str(first).partition(",")[0].strip()
                variable = key_variable(chosen if chosen in self._known else "gemini")
                raise ValueError(
                    f"`{name}`: a key stands in the environment, never in a file: take "
                    f"the line out and say export {variable}=your-key"
                )
            if isinstance(value, dict) and name != "columns":
                self._refuse_keys(value)

    def _read_settings(self, said: Said) -> None:
        for key, reader in _SETTINGS.items():
            if key in self._table:
                with self._blamed(key):
                    said.settings[values.field_of(key)] = reader(self._table[key])
        for key in ("manifest", "out"):
            if key in self._table:
                with self._blamed(key):
                    said.settings[key] = self._path(self._table[key])
        self._read_budget(said)
        said.settings["references"] = self._references()
        said.settings["columns"] = self._columns()
        said.settings["options"] = self._options()

    def _read_budget(self, said: Said) -> None:
        table = self._subtable("budget")
        with blamed(SpecError, f"{self._file}, [budget]"):
            check_names(table, _BUDGET_KEYS, "key")
        for key in budget.BUDGET.keys() & table.keys():
            with self._blamed(key, "budget"):
                said.settings[budget.field_of(key)] = budget.BUDGET[key](table[key])
        columns = table.get("by", {})
        if not isinstance(columns, dict):
            raise SpecError(
                f"{self._file}, [budget]: `by` must be a table: write [budget.by]"
            )
        by = said.settings["max_cost_by"] = {}
        for column, value in columns.items():
            with self._blamed(column, "budget.by"):
                by[column] = budget.limits(value)

    def _references(self) -> ReferenceTerms:
        table = self._subtable("references")
        with blamed(SpecError, f"{self._file}, [references]"):
            check_names(table, _REFERENCE_KEYS, "key")
        folder, shrink = None, False
        if "folder" in table:
            with self._blamed("folder", "references"):
                folder = self._path(table["folder"])
                if not folder.is_dir():
                    raise ValueError(f"no such folder: {shown(folder)}")
        if "shrink" in table:
            with self._blamed("shrink", "references"):
                shrink = values.truth(table["shrink"])
        return ReferenceTerms(folder=folder, shrink=shrink)

    def _path(self, value: object) -> Path:
        return (self._folder / values.text(value)).resolve()

    def _columns(self) -> dict[str, str]:
        columns = self._subtable("columns")
        with blamed(SpecError, f"{self._file}, [columns]"):
            for key in REFERENCE_ALIASES:
                if key in columns:
                    raise ValueError(f"unknown key `{key}`: did you mean `references`?")
            check_names(columns, KNOWN_COLUMNS, "key", _ABOVE)
        read = {}
        for key, name in columns.items():
            with self._blamed(key, "columns"):
                read[key] = values.text(name).strip()
        return read

    def _options(self) -> dict[str, OptionValue]:
        """Read the options of rows that say nothing of them, as cells are read."""
        table = self._subtable("options")
        with blamed(SpecError, f"{self._file}, [options]"):
            check_names(table, type_of_option, "key", _ABOVE)
        options: dict[str, OptionValue] = {}
        for key, value in table.items():
            with self._blamed(key, "options"):
                options[key] = read_option(key)(values.text(text_of(value)).strip())
        return options

    def _read_terms(self, said: Said) -> None:
        if "provider" in self._table:
            with self._blamed("provider"):
                said.providers = provider_names(self._table["provider"], self._known)
        for key in ("rpm", "concurrency"):
            if key in self._table:
                with self._blamed(key):
                    said.common[key] = values.TERMS[key](self._table[key])
        for key in ("model", *_LONE):
            self._read_text_or_table(key, said)
        for provider, table in self._by_provider("providers"):
            place = f"providers.{provider}"
            with blamed(SpecError, f"{self._file}, [{place}]"):
                check_names(table, values.TERMS, "key")
            terms = said.terms.setdefault(provider, {})
            for key, value in table.items():
                with self._blamed(key, place):
                    terms[key] = values.TERMS[key](value)
            with self._blamed("usd_per_credit", place):
                _fold_credit(terms)

    def _read_text_or_table(self, key: str, said: Said) -> None:
        given = self._table.get(key)
        if isinstance(given, dict):
            with blamed(SpecError, f"{self._file}, [{key}]"):
                check_names(given, self._known, "provider")
            for provider, value in given.items():
                with self._blamed(provider, key):
                    terms = said.terms.setdefault(provider, {})
                    terms[key] = values.TERMS[key](value)
        elif given is not None:
            with self._blamed(key):
                value = values.TERMS[key](given)
            (said.lone if key in _LONE else said.common)[key] = value

    def _read_prices(self, said: Said) -> None:
        if "price" in self._table:
            with self._blamed("price"):
                said.price = values.price(self._table["price"], self._file)
        for provider, given in self._by_provider("prices", lists=True):
            if isinstance(given, list):
                said.prices[provider] = list(self._price_rules(provider, given))
                continue
            prices = {}
            for key, value in given.items():
                with self._blamed(key, f"prices.{provider}"):
                    resolution = key if key == "*" else read_resolution(key)
                    prices[resolution] = values.price(value, self._file)
            said.prices[provider] = list(by_resolution(prices))

    def _price_rules(self, provider: str, rules: list[object]) -> Iterator[Price]:
        for number, rule in enumerate(rules, start=1):
            where = f"{self._file}, [[prices.{provider}]] number {number}"
            with blamed(SpecError, where):
                yield values.price_rule(rule, self._file)

    def _by_provider(
        self, key: str, *, lists: bool = False
    ) -> Iterator[tuple[str, Any]]:
        tables = self._subtable(key)
        with blamed(SpecError, f"{self._file}, [{key}]"):
            check_names(tables, self._known, "provider")
        for provider, table in tables.items():
            if not isinstance(table, dict) and not (lists and isinstance(table, list)):
                raise SpecError(
                    f"{self._file}: `{key}.{provider}` must be a table: "
                    f"write [{key}.{provider}]"
                )
            yield provider, table

    def _subtable(self, key: str) -> dict[str, Any]:
        table = self._table.get(key, {})
        if not isinstance(table, dict):
            raise SpecError(f"{self._file}: `{key}` must be a table: write [{key}]")
        return table

    def _blamed(self, key: str, table: str = "") -> AbstractContextManager[None]:
        place = f", [{table}]" if table else ""
        return blamed(SpecError, f"{self._file}{place}, `{key}`")


def _fold_credit(terms: dict[str, Any]) -> None:
    """Put what a credit is worth among the rates, whose shorthand it is."""
    if "usd_per_credit" not in terms:
        return
    rates = terms.setdefault("rates", {})
    if "credit" in rates:
        raise ValueError("`rates` has a `credit`, too: say one of them")
    rates["credit"] = terms.pop("usd_per_credit")


def _refuse_other_kind(path: Path) -> None:
    """Refuse what is no TOML by what it is, where that can be told."""
    kind = kind_of(path)
    if kind in (None, TOML):
        return
    words = 'a job file is TOML, with lines such as manifest = "products.csv"'
    if kind in TABLES:
        words = what_to_do(kind)
    raise SpecError(f"{shown(path)} is {kind}, not a job file: {words}")


def _parse(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SpecError(f"{shown(path)}: it is UTF-16; save it as UTF-8")
    try:
        # As Windows writes lines, too.
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        _refuse_other_kind(path)
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError(
            f"{shown(path)}, line {line}: not UTF-8; save it as UTF-8"
        ) from error
    if not text.strip():
        raise SpecError(
            f"{shown(path)} is empty; a job file names its table and a provider: "
            f'{EXAMPLE}, provider = "gemini"'
        )
    try:
        table = tomllib.loads(text, parse_float=Decimal)
        _refuse_long_numbers(table)
    except RecursionError as error:
        raise SpecError(
            f"{shown(path)}: its lists and tables are nested too deeply to be read; "
            "a job file needs no more than three levels"
        ) from error
    except tomllib.TOMLDecodeError as error:
        _refuse_other_kind(path)
        where, words = explain(text, error)
        place = f", {where}" if where else ""
        if words.endswith("not a job file"):
            words += f": name it {shown(path.with_suffix('.csv'))}"
        raise SpecError(f"{shown(path)}{place}: {words}") from error
    except (ValueError, ArithmeticError) as error:
        raise SpecError(
            f"{shown(path)}: a number in it has too many digits: write one of at most "
            f"{_MAX_DIGITS}"
        ) from error
    return table


def _refuse_long_numbers(value: object) -> None:
    """Refuse numbers that Python reads and cannot write out again.

    Raises:
        ValueError: there is one.
    """
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            _refuse_long_numbers(each)
    elif isinstance(value, int | Decimal):
        number = Decimal(value)
        if number.is_finite() and abs(number.adjusted()) > _MAX_DIGITS:
            raise ValueError("a number of too many digits")
