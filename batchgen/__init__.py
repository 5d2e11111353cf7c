"""Turn a table of prompts into a ZIP of images and a table of what each one cost.

From Python code, all that is public stands in this module; `batchgen help python` shows
how it is used. Each name is loaded when it is used first.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchgen.api.extension import add_provider
    from batchgen.api.folder_records import FolderStatus, Image, Outputs
    from batchgen.api.folders import Folder, find_runs
    from batchgen.api.folders import open_run_folder as open
    from batchgen.api.jobs import Job
    from batchgen.api.plans import Plan, check
    from batchgen.api.row_stream import stream
    from batchgen.api.run_reports import Result, RunProgress
    from batchgen.api.runs import arun, run
    from batchgen.errors import (
        BatchgenError,
        BudgetReached,
        LedgerLocked,
        LedgerMismatch,
        LedgerMissing,
        NearlyAllFailed,
        ProviderStopped,
        SpecError,
        StorageError,
        UsageError,
    )
    from batchgen.ledger.estimate import Estimate
    from batchgen.model import ResultRow, Status
    from batchgen.report.contact_sheets import ContactSheets
    from batchgen.report.unpacking import Unpacked
    from batchgen.runner.handle import RunHandle

__all__ = [
    "BatchgenError",
    "BudgetReached",
    "ContactSheets",
    "Estimate",
    "Folder",
    "FolderStatus",
    "Image",
    "Job",
    "LedgerLocked",
    "LedgerMismatch",
    "LedgerMissing",
    "NearlyAllFailed",
    "Outputs",
    "Plan",
    "ProviderStopped",
    "Result",
    "ResultRow",
    "RunHandle",
    "RunProgress",
    "SpecError",
    "Status",
    "StorageError",
    "Unpacked",
    "UsageError",
    "add_provider",
    "arun",
    "check",
    "find_runs",
    "open",
    "run",
    "stream",
]

_HOMES = {
    "Estimate": "ledger.estimate",
    "ContactSheets": "report.contact_sheets",
    "Folder": "api.folders",
    "FolderStatus": "api.folder_records",
    "Image": "api.folder_records",
    "Job": "api.jobs",
    "Outputs": "api.folder_records",
    "Plan": "api.plans",
    "Result": "api.run_reports",
    "ResultRow": "model",
    "RunHandle": "runner.handle",
    "RunProgress": "api.run_reports",
    "Status": "model",
    "Unpacked": "report.unpacking",
    "add_provider": "api.extension",
    "arun": "api.runs",
    "check": "api.plans",
    "find_runs": "api.folders",
    "open": "api.folders",
    "run": "api.runs",
    "stream": "api.row_stream",
}
"""Where a name is defined, unless it is an error."""


if not TYPE_CHECKING:  # else every name would be there, to a type checker

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(f"batchgen.{_HOMES.get(name, 'errors')}")
        value = getattr(module, "open_run_folder" if name == "open" else name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return [*__all__]
