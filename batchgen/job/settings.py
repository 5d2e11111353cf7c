"""Every setting of a job, declared once.

From these classes follow the keys of the job file, the options of the command line, the
keywords of Python code, the tables of `docs/job-file.md` and `docs/job.schema.json`
(`python -m tests.job.documents` writes both). Defaults are those of Job and Terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from batchgen.job.declaration import Setting, declared_in
from batchgen.job.row_settings import ColumnSettings, RowSettings
from batchgen.job.run_settings import MoneySettings, PaceSettings
from batchgen.job.service_settings import (
    ProviderSettings,
    ServiceSections,
    ServiceSettings,
)


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
