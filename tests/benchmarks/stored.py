"""Make the folder of a run that stored an image for each of a million rows.

`python -m tests.benchmarks.stored FOLDER ROWS` takes the steps of a run in the ledger
and the archive, but all in one commit; no table and no directory yet.
"""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from batchgen.errors import Charge
from batchgen.ledger import AttemptStart, Ledger, PlanEntry, PlanWriter, StoredImage
from batchgen.manifest import key_of
from batchgen.model import ImageRequest, Status
from batchgen.output.archive import Archive, Member, NewImage, Tag
from batchgen.output.member_names import folded_base_names
from tests.benchmarks.server import SMALLEST, image

SLICE = 250
"""Rows whose own columns are one record, as the planner reads them."""
AT = 1_800_000_000_000_000
PRICE = 39_000_000
SOLD = ("gemini", "gemini-2.5-flash-image")
PROMPT = "photo of a red apple on old wood in soft morning light with linen, " * 3


def make(folder: Path, rows: int) -> None:
    """Write the ledger and the archive of so many rows."""
    folder.mkdir(parents=True)
    picture = image(SMALLEST)
    digest = hashlib.sha256(picture).digest()
    with (
        closing(Ledger(folder / "run.db")) as ledger,
        Archive(folder / "images.zip", 0) as archive,
        ledger.transaction(),
    ):
        plan = PlanWriter(ledger, key_of, folded_base_names)
        for first in range(0, rows, SLICE):
            numbers = range(first, min(rows, first + SLICE))
            plan.add([_entry(number) for number in numbers], _own(numbers), first)
            members = archive.append(_incoming(number, picture) for number in numbers)
            for number, member in zip(numbers, members, strict=True):
                _buy(ledger, number, member, digest)
        plan.end()
        plan.complete("of the benchmark", _own(range(0)), rows)
        archive.sync()
        ledger.meta.source = "rows.csv"
        ledger.meta.mode = "loopback"
        ledger.meta.archive_end = archive.end


def _entry(number: int) -> PlanEntry:
    prompt = f"{number:07} {PROMPT}"
    name = f"sku-{number:07}"
    return PlanEntry(
        position=number,
        line=number + 2,
        id=name,
        request=ImageRequest(prompt=prompt),
        fingerprint=hashlib.sha256(prompt.encode()).digest()[:16],
        base_name=name,
        provider=SOLD[0],
        model=SOLD[1],
        resolution="1K",
        estimate=PRICE,
        prompt=prompt,
    )


def _own(numbers: Sequence[int]) -> bytes:
    # Ids and prompts stand in the table already.
    frame = pl.DataFrame(
        {
            "brand": [f"brand {number % 200}" for number in numbers],
            "price": [f"{number % 9_999 / 100:.2f}" for number in numbers],
        },
        schema={"brand": pl.String, "price": pl.String},
    )
    stream = io.BytesIO()
    oldest = pl.CompatLevel.oldest()
    frame.write_ipc_stream(stream, compression="zstd", compat_level=oldest)
    return stream.getvalue()


def buy(folder: Path, numbers: range) -> None:
    """Let these rows of a folder have an image each, that is in no archive."""
    with closing(Ledger(folder / "run.db")) as ledger, ledger.transaction():
        for number in numbers:
            name, long_ago = f"sku-{number:07}.png", datetime.fromtimestamp(0, UTC)
            _buy(ledger, number, Member(name, number, SMALLEST, 0, long_ago), bytes(32))


def _incoming(number: int, data: bytes) -> NewImage:
    modified = datetime.fromtimestamp((AT + number) / 1e6, UTC)
    tag = Tag(attempt_id=number + 1, image=1, images=1, modified=modified)
    return NewImage(name=f"sku-{number:07}.png", data=data, tag=tag)


def _buy(ledger: Ledger, number: int, member: Member, digest: bytes) -> None:
    start = AttemptStart(
        row_id=number + 1,
        first_image=1,
        images=1,
        provider=SOLD[0],
        model=SOLD[1],
        base_url="http://127.0.0.1:8080",
        aspect_ratio="1:1",
        resolution="1K",
        expected=PRICE,
        ceiling=PRICE,
        sent_at=AT + number,
    )
    stored = StoredImage(
        image=1,
        name=member.name,
        place=member.offset,
        size_bytes=member.size_bytes,
        crc32=member.crc32,
        sha256=digest,
        media_type="image/png",
        width_px=64,
        height_px=64,
    )
    attempt_id = ledger.mark_sent(start)
    charge = (Charge.REPORTED, PRICE)
    ledger.mark_delivered(attempt_id, (), charge, f"request-{number}", 1.25)
    ledger.mark_stored(attempt_id, [stored], None, AT + 2_000_000 + number)
    ledger.settle(start.row_id, Status.SUCCEEDED, None, None)


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
