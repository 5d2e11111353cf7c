"""The manifest: read and check a table, render prompts, and yield requests.

Import `Manifest` from `batchgen.manifest.manifest`: it loads polars, which is slow and
which some commands do not need.
"""

from batchgen.manifest.cell_values import read_ratio, read_resolution
from batchgen.manifest.columns import KNOWN_COLUMNS, REFERENCE_ALIASES
from batchgen.manifest.files import FileContents, FileState
from batchgen.manifest.identity import fingerprint, key_of
from batchgen.manifest.row import Problem, Row, Slice
from batchgen.manifest.table_kind import SUFFIXES

__all__ = [
    "KNOWN_COLUMNS",
    "REFERENCE_ALIASES",
    "SUFFIXES",
    "FileContents",
    "FileState",
    "Problem",
    "Row",
    "Slice",
    "fingerprint",
    "key_of",
    "read_ratio",
    "read_resolution",
]
