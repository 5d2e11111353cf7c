"""Every setting of a job, declared once.

From these classes follow the keys of the job file, the options of the command line, the
keywords of Python code, the tables of `docs/job-file.md` and `docs/job.schema.json`
(`python -m tests.job.documents` writes both). Defaults are those of Job and Terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

from batchgen.job.declaration import UNSTATED, Setting
from batchgen.job.row_settings import ColumnSettings, RowSettings
from batchgen.job.run_settings import MoneySettings, PaceSettings
from batchgen.job.service_settings import (
    ProviderSettings,
    ServiceSections,
    ServiceSettings,
)
from batchgen.job.values import value_type_of


class Settings(
    ServiceSettings,
    RowSettings,
    MoneySettings,
    PaceSettings,
    ColumnSettings,
    ServiceSections,
    total=False,
):
    """All settings of a job, as keywords."""


def declared_in(declarations: type) -> dict[str, Setting]:
    """Return the settings that a TypedDict declares, by name, in its order."""
    hints = get_type_hints(declarations, include_extras=True)
    return {name: _complete(name, *get_args(hint)) for name, hint in hints.items()}


def _complete(name: str, python_type: Any, setting: Setting) -> Setting:
    value = setting.value
    return replace(
        setting,
        value=value_type_of(python_type) if value is UNSTATED else value,
        name=name,
        python_type=python_type,
        key=setting.key or name,
        field=setting.field or name,
        flag=setting.flag or "--" + name.replace("_", "-"),
    )


SETTINGS: Mapping[str, Setting] = MappingProxyType(declared_in(Settings))
"""All settings, by their names."""

TERMS: Mapping[str, Setting] = MappingProxyType(
    {setting.name: setting for setting in SETTINGS.values() if setting.per_provider}
    | declared_in(ProviderSettings)
)
"""What a section `[providers.NAME]` may state."""

AT_PATH: Mapping[tuple[str, str], Setting] = MappingProxyType(
    {(setting.section, setting.key): setting for setting in SETTINGS.values()}
)
"""All settings, by section and key of the job file."""

KEYS: tuple[str, ...] = tuple(
    dict.fromkeys(("manifest", *(section or key for section, key in AT_PATH)))
)
"""What may stand at the top of a job file: keys and sections, the needed key first."""


def keys_of(section: str) -> list[str]:
    """Return the keys of a section of the job file, such as `budget`."""
    return [key for place, key in AT_PATH if place == section]
