"""Look at the prompts of the first rows, for notices before the table is read."""

from __future__ import annotations

from collections.abc import Iterator

from batchgen.errors import SpecError
from batchgen.manifest.frame_rows import cells_of
from batchgen.manifest.prompts import PromptReader
from batchgen.manifest.table_source import TableSource
from batchgen.manifest.wording import shown

_FIRST_ROWS = 1000


def notices_of_prompts(reader: PromptReader, source: TableSource) -> Iterator[str]:
    """Yield a notice if prompts contain placeholders that nothing will fill."""
    try:
        batch = next(iter(source.batches(_FIRST_ROWS)), None)
    except SpecError:
        return  # reported when the rows are read
    if batch is None:
        return
    prompts = map(reader.read, cells_of(batch, reader.columns))
    literals = [prompt.literal for prompt in prompts if prompt.literal]
    if literals:
        height = batch.frame.height
        rows = "row" if height == 1 else f"{height} rows"
        yield (
            f"{shown(source.path)}: of the first {rows}, "
            f"{len(literals)} {'holds' if len(literals) == 1 else 'hold'} a "
            f"placeholder such as {literals[0][:60]}, which "
            "is sent as it stands: cells are never templates. To fill in columns, "
            "give a template with --prompt"
        )
