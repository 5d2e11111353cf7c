"""The manifest: read, check, render, and yield requests."""

from batchgen.manifest.cells import read_ratio, read_resolution
from batchgen.manifest.columns import KNOWN_COLUMNS, REFERENCE_ALIASES
from batchgen.manifest.identity import FileContents, fingerprint, key_of
from batchgen.manifest.manifest import SUFFIXES, Manifest
from batchgen.manifest.row import Problem, Row, Slice

__all__ = [
    "KNOWN_COLUMNS",
    "REFERENCE_ALIASES",
    "SUFFIXES",
    "FileContents",
    "Manifest",
    "Problem",
    "Row",
    "Slice",
    "fingerprint",
    "key_of",
    "read_ratio",
    "read_resolution",
]
