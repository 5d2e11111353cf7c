"""Make the folder of a run that stored an image for each of a million rows.

`python -m tests.benchmarks.stored FOLDER ROWS` writes ledger and archive with the
statements and headers of a run, but many rows at once; no table and no directory yet.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from batchgen.ledger import Ledger
from batchgen.ledger.database import queries
from batchgen.manifest import key_of
from batchgen.output.archive import Archive, Incoming, Member, Tag
from tests.benchmarks.server import SMALLEST, image

SLICE = 250
"""Rows whose own columns are one record, as the planner reads them."""
AT = 1_800_000_000_000_000
PRICE = 39_000_000
PROMPT = "photo of a red apple on old wood in soft morning light with linen, " * 3


def make(folder: Path, rows: int) -> None:
    """Write the ledger and the archive of so many rows."""
    folder.mkdir(parents=True)
    picture = image(SMALLEST)
    with (
        closing(Ledger(folder / "run.db")) as ledger,
        Archive(folder / "images.zip", 0) as archive,
        ledger.transaction(),
    ):
        for first in range(0, rows, SLICE):
            numbers = range(first, min(rows, first + SLICE))
            members = archive.append(_incoming(it, picture) for it in numbers)
            _add(ledger, members, numbers, hashlib.sha256(picture).digest())
        archive.sync()
        ledger.put("generation", 1)
        ledger.put("own_schema", _own(range(0)))
        ledger.put("plan_digest", "of the benchmark")
        ledger.put("plan_rows", rows)
        ledger.put("source", "rows.csv")
        ledger.put("realm", "loopback")
        ledger.put("outputs", "stale")
        ledger.put("archive_end", archive.end)


def _add(
    ledger: Ledger, members: Sequence[Member], numbers: range, sha256: bytes
) -> None:
    def many(name: str, values: Iterable[Any]) -> None:
        ledger._connection.executemany(queries()[name], values)

    many("row_add", map(_row, numbers))
    many("plan_add", map(_planned, numbers))
    many("attempt_add", map(_attempt, numbers))
    many("attempt_deliver", map(_delivered, numbers))
    many("attempt_store", ((None, AT + 2_000_000, it + 1) for it in numbers))
    many("image_store", _images(members, numbers, sha256))
    done = ("succeeded", None, None)
    many("row_settle", ((*done, it + 1) for it in numbers))
    ledger.run("own_add", (1, numbers.start, _own(numbers)))


def _incoming(number: int, data: bytes) -> Incoming:
    modified = datetime.fromtimestamp((AT + number) / 1e6, UTC)
    tag = Tag(attempt_id=number + 1, image=1, images=1, modified=modified)
    return Incoming(name=f"sku-{number:07}.png", data=data, tag=tag)


def _key(number: int) -> int:
    return key_of(f"sku-{number:07}", b"", 0)


def _row(number: int) -> tuple[object, ...]:
    request = json.dumps({"prompt": f"{number:07} {PROMPT}"}, separators=(",", ":"))
    fingerprint = hashlib.sha256(request.encode()).digest()[:16]
    stem = f"sku-{number:07}"
    return _key(number), fingerprint, stem, stem, request, 1, None


def _planned(number: int) -> dict[str, object]:
    nothing = (
        *("base", "occurrence", "request", "route", "shares", "at_column"),
        *("problem", "warning"),
    )
    return dict.fromkeys(nothing) | {
        "generation": 1,
        "position": number,
        "line": number + 2,
        "key": _key(number),
        "row_id": number + 1,
        "id": f"sku-{number:07}",
        "provider": "gemini",
        "model": "gemini-2.5-flash-image",
        "resolution": "1K",
        "estimate": PRICE,
        "rebuy": 0,
    }


def _attempt(number: int) -> tuple[object, ...]:
    sold = ("gemini", "gemini-2.5-flash-image", "http://127.0.0.1:8080", "1:1", "1K")
    return number + 1, 1, 1, *sold, PRICE, PRICE, AT + number


def _delivered(number: int) -> tuple[object, ...]:
    return "reported", PRICE, f"request-{number}", 1.25, number + 1


def _images(
    members: Sequence[Member], numbers: range, sha256: bytes
) -> Iterator[tuple[object, ...]]:
    for number, it in zip(numbers, members, strict=True):
        place = (it.name, it.offset, it.size_bytes, it.crc32)
        yield number + 1, 1, *place, sha256, "image/png", 64, 64


def _own(numbers: range) -> bytes:
    frame = pl.DataFrame(
        {
            "id": [f"sku-{it:07}" for it in numbers],
            "prompt": [f"{it:07} {PROMPT}" for it in numbers],
            "brand": [f"brand {it % 200}" for it in numbers],
        },
        schema={"id": pl.String, "prompt": pl.String, "brand": pl.String},
    )
    stream = io.BytesIO()
    oldest = pl.CompatLevel.oldest()
    frame.write_ipc_stream(stream, compression="zstd", compat_level=oldest)
    return stream.getvalue()


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
