"""A user's own defaults: one file, whose settings stand below every job.

Only settings may stand there that do not change what a run folder asks for: if one
could, an edit of this file would disturb runs that were begun long ago.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from batchgen.drives import reason_of
from batchgen.errors import SpecError
from batchgen.job.job_file import parse_toml
from batchgen.job.layer_reader import LayerReader
from batchgen.job.layers import Origin, SettingsLayer, place_in_tables
from batchgen.job.names import check_names, refuse_secrets
from batchgen.job.settings import AT_PATH, KEYS, TERMS, keys_of
from batchgen.manifest.wording import shown
from batchgen.providers import PROVIDERS

_CONSENT = "max_cost"
_WHY_NOT = (
    ": it says what one job asks for, so it stands in the job or on the command line; "
    "from here it would change runs that have begun"
)
_WHY_NO_CONSENT = (
    ": a budget is consent to spend, which each job needs for itself: say it in the "
    "job or by --max-cost; a limit for all jobs is `per_day` under [budget]"
)


def defaults_path() -> Path:
    """Return where the file of the user's defaults is, or would be."""
    base = os.environ.get("XDG_CONFIG_HOME", "").strip()
    if not Path(base).is_absolute():  # as the XDG specification wants
        # Unlike Path.home, it does not fail for a user without a home.
        base = os.path.expanduser("~/.config")  # noqa: PTH111
    return Path(base) / "batchgen" / "config.toml"


def read_user_defaults(known_providers: Collection[str]) -> SettingsLayer | None:
    """Read the user's defaults; None if there is no such file.

    Args:
        known_providers: Names that a provider may have.

    Raises:
        SpecError: the file cannot be read, or states what it cannot.
    """
    path = defaults_path()
    table = read_defaults_table(path)
    if table is None:
        return None
    origin = _origin(path)
    _check_table(table, origin, known_providers)
    layer = LayerReader(table, origin, known_providers).read()
    if layer.settings.get("max_cost_per_day") == 0:
        with origin.context("per_day", "budget"):
            raise ValueError("0 allows no purchase: give an amount, such as 10")
    return layer


def default_provider() -> str | None:
    """Return the first provider of the user's defaults; None if they name none.

    Raises:
        SpecError: as `read_user_defaults`.
    """
    defaults = read_user_defaults(PROVIDERS)
    return next(iter(defaults.providers), None) if defaults else None


def read_defaults_table(path: Path) -> dict[str, Any] | None:
    """Return what the file states, unchecked; None if there is no such file.

    Raises:
        SpecError: it cannot be read, or is no TOML.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        # A folder that may not be looked into belongs to somebody else, as after `su`.
        return None
    try:
        if path.is_file() and not path.read_bytes().strip():
            return {}
        return parse_toml(path)
    except OSError as error:
        remedy = "mend that, or set XDG_CONFIG_HOME to another folder"
        raise SpecError(f"{shown(path)}: {reason_of(error)}: {remedy}") from error


def line_of(text: str, key: str, section: str) -> int | None:
    """Return the line, from 1, of a key or of its section; None if neither is found."""
    header = re.compile(r"\s*\[+\s*([^\]]*?)\s*\]+\s*(#.*)?")
    assignment = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*(=|\.)")
    current, section_line = "", None
    for number, line in enumerate(text.splitlines(), start=1):
        if (match := header.fullmatch(line)) is not None:
            current = match[1].replace('"', "").replace("'", "")
            if current == (section or key):
                section_line = number
        elif key and current == section and assignment.match(line):
            return number
    return section_line


def allowed_keys(section: str) -> list[str]:
    """Return the keys that may stand in a section of the file, or at its top."""
    keys = KEYS if not section else keys_of(section)
    return [key for key in keys if _is_allowed(section, key)]


def _is_allowed(section: str, key: str) -> bool:
    setting = AT_PATH.get((section, key))
    if setting is None:  # a section
        return any(AT_PATH[key, name].user_default for name in keys_of(key))
    # What a section `[providers.NAME]` may state need not be possible for all of them.
    return setting.user_default and not setting.for_one_provider


def _check_table(
    table: Mapping[str, Any], origin: Origin, known_providers: Collection[str]
) -> None:
    with origin.context():
        refuse_secrets(table, known_providers, "never in a file: take the line out")
    _check_keys(table, origin, "", KEYS)
    budget = table.get("budget")
    if isinstance(budget, Mapping):
        _check_keys(budget, origin, "budget", keys_of("budget"))
    providers = table.get("providers")
    for name, terms in providers.items() if isinstance(providers, Mapping) else ():
        if isinstance(terms, Mapping) and "model" in terms:
            with origin.context("model", f"providers.{name}"):
                raise ValueError("`model` cannot stand here" + _WHY_NOT)


def _check_keys(
    table: Mapping[str, Any], origin: Origin, section: str, valid: Collection[str]
) -> None:
    allowed = allowed_keys(section)
    for key in table:
        if key in allowed:
            continue
        with origin.context(key, section):
            if key in TERMS and not section and TERMS[key].for_one_provider:
                raise ValueError(
                    f"`{key}` belongs to one provider: write it below [providers.NAME]"
                )
            if key in valid:
                why = _WHY_NO_CONSENT if key == _CONSENT else _WHY_NOT
                raise ValueError(f"`{key}` cannot stand here{why}")
            check_names([key], allowed, "key")


def _origin(path: Path) -> Origin:
    def place_of(key: str, section: str) -> str:
        text = path.read_text("utf-8-sig", errors="replace")
        line = line_of(text, key, section)
        places = (f"line {line}" if line else "", place_in_tables(key, section))
        return ", ".join(filter(None, (shown(path), *places)))

    return Origin(
        error=SpecError,
        place_of=place_of,
        folder=path.parent,
        page=shown(path),
    )
