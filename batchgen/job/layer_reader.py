"""Read settings, laid out as in a job file, into a layer; check keys and values."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from batchgen.job.declaration import Setting
from batchgen.job.expand_section import read_expansion
from batchgen.job.layers import Origin, SettingsLayer, error_context
from batchgen.job.names import check_names
from batchgen.job.prices import read_limits, read_price, read_price_rule
from batchgen.job.settings import KEYS, SETTINGS, TERMS, keys_of
from batchgen.job.table_values import files_of
from batchgen.job.values import read_text
from batchgen.manifest import KNOWN_COLUMNS, REFERENCE_ALIASES, read_resolution
from batchgen.manifest.cell_values import read_option, text_of
from batchgen.manifest.wording import shown as shown_path
from batchgen.model import OptionValue, Price, by_resolution, type_of_option

_TOP_LEVEL_HINTS: Mapping[str, str] = MappingProxyType(
    {
        key: ": it belongs to the whole job, so write it above the first [section]"
        for key in KEYS
        if key not in (*KNOWN_COLUMNS, *type_of_option)
    }
)
"""Hints about keys that stand below a section by mistake."""


class LayerReader:
    """Reads the tables of a job file, or settings laid out in the same way."""

    def __init__(
        self, table: Mapping[str, Any], origin: Origin, known_providers: Collection[str]
    ) -> None:
        self._table = table
        self._origin = origin
        self._known_providers = known_providers
        self._layer = SettingsLayer(origin=origin)

    def read(self) -> SettingsLayer:
        """Return the layer.

        Raises:
            SpecError: a key or a value is invalid.
        """
        for section in ("budget", "references", "notify"):
            with self._origin.context(section=section):
                check_names(self._section(section), keys_of(section), "key")
        for setting in SETTINGS.values():
            table = self._section(setting.section) if setting.section else self._table
            if setting.key in table:
                self._read_setting(setting, table[setting.key])
        return self._layer

    def _read_setting(self, setting: Setting, raw: object) -> None:
        match setting:
            case Setting(section="columns") | Setting(name="columns"):
                self._layer.settings["columns"] = self._columns()
            case Setting(name="expand"):
                with self._origin.context(section="expand"):
                    self._layer.settings["expand"] = read_expansion(
                        self._section("expand"), self._origin.folder
                    )
            case Setting(name="options"):
                self._layer.settings["options"] = self._options()
            case Setting(name="max_cost_by"):
                self._layer.settings["max_cost_by"] = self._limits()
            case Setting(name="prices"):
                self._read_prices()
            case Setting(name="providers"):
                self._read_provider_sections()
            case Setting(takes_table=True) if isinstance(raw, Mapping):
                self._read_by_provider(setting, raw)
            case Setting(name="base_url") if isinstance(raw, tuple):
                self._read_base_urls(setting, raw)
            case _:
                with self._origin.context(setting.key, setting.section):
                    self._store(setting, self._read(setting, raw))

    def _read(self, setting: Setting, raw: object) -> Any:
        value = setting.value.read(raw)
        match value:
            case Path():
                return self._path(setting, value)
            case Price():
                return replace(value, page=self._origin.page)
            case _:
                return value

    def _path(self, setting: Setting, path: Path) -> Path:
        path = (self._origin.folder / path).resolve()
        if setting.name == "reference_folder" and not path.is_dir():
            raise ValueError(f"no such folder: {shown_path(path)}")
        return path

    def _store(self, setting: Setting, value: Any) -> None:
        layer = self._layer
        if setting.name == "manifest":
            first, *more = files_of(value, self._origin.folder)
            layer.settings |= {"manifest": first, "more_tables": tuple(more)}
        elif setting.name == "provider":
            layer.providers = self._provider_names(value)
        elif setting.name == "price":
            layer.price = value
        elif setting.for_one_provider:
            layer.unassigned[setting.name] = value
        elif setting.per_provider:
            layer.common_terms[setting.name] = value
        elif setting.section == "references":
            layer.settings.setdefault("references", {})[setting.field] = value
        else:
            layer.settings[setting.field] = value

    def _provider_names(self, names: list[object]) -> tuple[str, ...]:
        remedy = f"choose from {', '.join(self._known_providers)}"
        if not names:
            raise ValueError(f"the list is empty: {remedy}")
        if "" in names:
            others = ",".join(str(name) for name in names if name)
            remedy = f"write --provider {others}" if others else remedy
            raw = self._table["provider"]
            raise ValueError(f"{raw!r} has a comma without a name beside it: {remedy}")
        providers = tuple(dict.fromkeys(read_text(name) for name in names))
        check_names(providers, self._known_providers, "provider")
        return providers

    # -- values by provider

    def _read_by_provider(self, setting: Setting, table: Mapping[str, Any]) -> None:
        with self._origin.context(section=setting.key):
            check_names(table, self._known_providers, "provider")
        for provider, raw in table.items():
            with self._origin.context(provider, setting.key):
                value = setting.value.read(raw)
            self._layer.terms.setdefault(provider, {})[setting.name] = value

    def _read_base_urls(self, setting: Setting, addresses: tuple[str, ...]) -> None:
        """Read addresses as the command line has them: `URL` or `NAME=URL`."""
        with self._origin.context(setting.key):
            for address in addresses:
                parts = re.fullmatch(r"([A-Za-z0-9_-]+)=(.*)", address.strip())
                if parts is None:
                    self._store(setting, setting.value.read(address))
                    continue
                provider, url = parts.groups()
                check_names([provider], self._known_providers, "provider")
                terms = self._layer.terms.setdefault(provider, {})
                terms[setting.name] = setting.value.read(url)

    def _read_provider_sections(self) -> None:
        for provider, table in self._tables_by_provider("providers"):
            section = f"providers.{provider}"
            with self._origin.context(section=section):
                check_names(table, TERMS, "key")
            terms = self._layer.terms.setdefault(provider, {})
            for key, raw in table.items():
                with self._origin.context(key, section):
                    terms[key] = TERMS[key].value.read(raw)
            with self._origin.context("usd_per_credit", section):
                _move_credit_to_rates(terms)

    def _read_prices(self) -> None:
        for provider, table in self._tables_by_provider("prices", lists=True):
            if isinstance(table, list):
                prices = list(self._price_rules(provider, table))
            else:
                prices = list(self._prices_by_resolution(provider, table))
            page = self._origin.page
            self._layer.prices[provider] = [replace(p, page=page) for p in prices]

    def _price_rules(self, provider: str, rules: list[object]) -> Iterator[Price]:
        for number, rule in enumerate(rules, start=1):
            place = self._origin.place_of("", f"[prices.{provider}]")
            with error_context(self._origin.error, f"{place} number {number}"):
                yield read_price_rule(rule)

    def _prices_by_resolution(
        self, provider: str, table: Mapping[str, Any]
    ) -> tuple[Price, ...]:
        prices = {}
        for key, raw in table.items():
            with self._origin.context(key, f"prices.{provider}"):
                resolution = key if key == "*" else read_resolution(key)
                prices[resolution] = read_price(raw)
        return by_resolution(prices)

    # -- sections

    def _columns(self) -> dict[str, str]:
        columns = self._section("columns")
        with self._origin.context(section="columns"):
            for key in REFERENCE_ALIASES:
                if key in columns:
                    raise ValueError(f"unknown key `{key}`: did you mean `references`?")
            check_names(columns, KNOWN_COLUMNS, "key", _TOP_LEVEL_HINTS)
        names = {}
        for key, raw in columns.items():
            with self._origin.context(key, "columns"):
                is_list = key == "references" and isinstance(raw, list | tuple)
                texts = raw if is_list else [raw]
                names[key] = ",".join(read_text(text).strip() for text in texts)
        return names

    def _options(self) -> dict[str, OptionValue]:
        """Read the defaults of options, as cells are read."""
        table = self._section("options")
        with self._origin.context(section="options"):
            check_names(table, type_of_option, "key", _TOP_LEVEL_HINTS)
        options: dict[str, OptionValue] = {}
        for key, raw in table.items():
            with self._origin.context(key, "options"):
                options[key] = read_option(key)(read_text(text_of(raw)).strip())
        return options

    def _limits(self) -> dict[str, Any]:
        with self._origin.context(section="budget"):
            table = _as_table(self._section("budget")["by"], "by", "budget.by")
        limits = {}
        for column, raw in table.items():
            with self._origin.context(column, "budget.by"):
                limits[column] = read_limits(raw)
        return limits

    def _tables_by_provider(
        self, key: str, *, lists: bool = False
    ) -> Iterator[tuple[str, Any]]:
        tables = self._section(key)
        with self._origin.context(section=key):
            check_names(tables, self._known_providers, "provider")
        for provider, table in tables.items():
            name = f"{key}.{provider}"
            with self._origin.context():
                is_list = lists and isinstance(table, list)
                entries = table if is_list else _as_table(table, name, name)
            yield provider, entries

    def _section(self, name: str) -> Mapping[str, Any]:
        with self._origin.context():
            return _as_table(self._table.get(name, {}), name, name)


def _as_table(value: object, name: str, section: str) -> Mapping[str, Any]:
    match value:
        case Mapping():
            return value
        case _:
            raise ValueError(f"`{name}` must be a table: write [{section}]")


def _move_credit_to_rates(terms: dict[str, Any]) -> None:
    """Move `usd_per_credit`, a short form, to the rates."""
    if "usd_per_credit" not in terms:
        return
    rates = terms.setdefault("rates", {})
    if "credit" in rates:
        raise ValueError("`rates` has a `credit`, too: say one of them")
    rates["credit"] = terms.pop("usd_per_credit")
