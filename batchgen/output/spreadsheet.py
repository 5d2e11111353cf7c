"""Tables whose cells no spreadsheet interprets as formulas."""

from __future__ import annotations

import polars as pl

from batchgen.output.spreadsheet_cells import safe_cell


def safe_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table with safe texts and column names."""
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
