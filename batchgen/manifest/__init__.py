"""The manifest: read, check, render, and yield requests.

`Manifest` itself is in `batchgen.manifest.manifest`: polars comes with it, which a
command that reads no table should not wait for.
"""

from batchgen.manifest.cells import read_ratio, read_resolution
from batchgen.manifest.columns import KNOWN_COLUMNS, REFERENCE_ALIASES
from batchgen.manifest.files import FileContents, FileState
from batchgen.manifest.identity import fingerprint, key_of
from batchgen.manifest.row import Problem, Row, Slice
from batchgen.manifest.table_source import SUFFIXES

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
