"""Tables whose cells a spreadsheet shows, and never calculates."""

from __future__ import annotations

import polars as pl

from batchgen.output.spreadsheet_cells import safe_cell


def safe_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose texts, and names of columns, no spreadsheet calculates."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    texts += [
        name
        for name, kind in frame.schema.items()
        if isinstance(kind, pl.Categorical | pl.Enum)
    ]
    safe = frame.with_columns(
        pl.col(name).cast(pl.String).map_elements(safe_cell, pl.String)
        for name in texts
    )
    return safe.rename({name: safe_cell(name) for name in frame.columns})
