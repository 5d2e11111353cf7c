"""How much a Parquet file claims to hold: a few bytes could unpack to gigabytes."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

MAX_UNPACKED_BYTES = 2**31
MAX_RATIO = 500
"""A table that exceeds both limits was not written by batchgen [assumed]."""


def bomb_message(path: Path) -> str | None:
    """Return a message if a file claims more content than its size allows, else None.

    Raises:
        OSError: it cannot be read.
        ArrowException: it is no Parquet file.
    """
    size_bytes = path.stat().st_size
    metadata = pq.read_metadata(path)
    groups = range(metadata.num_row_groups)
    unpacked = sum(metadata.row_group(number).total_byte_size for number in groups)
    # Each row has an id of its own: that alone takes some bytes.
    is_bomb = metadata.num_rows > size_bytes or (
        unpacked > MAX_UNPACKED_BYTES and unpacked > size_bytes * MAX_RATIO
    )
    if not is_bomb:
        return None
    return f"its {size_bytes:,} bytes claim to hold {metadata.num_rows:,} rows"
