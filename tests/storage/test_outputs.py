"""The ZIP's metadata is JSON, whatever is in a prompt."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from batchgen.errors import Charge
from batchgen.ledger import Ledger, StoredImage
from batchgen.ledger.request_json import dump_request, prompt_as_json, prompt_of
from batchgen.model import ImageRequest, Status
from batchgen.output.archive import Archive, Member
from batchgen.storage.outputs import write_outputs
from tests.ledger.books import AT, PRICE, prompts, row_ids, start
from tests.output.archives import incoming

AWKWARD = [
    'a "cup" of 7\\8 litres',
    "one line\nand\ttwo\r\n",
    "controls \x00 \x01 \x1f \x7f",
    "separators \u2028 \u2029 \x85",
    "größe 緑茶 😀",
    "",
]


def _stored(member: Member) -> StoredImage:
    return StoredImage(
        image=1,
        name=member.name,
        place=member.offset,
        size_bytes=member.size_bytes,
        crc32=member.crc32,
        sha256=b"\1" * 32,
        media_type="image/png",
        width_px=64,
        height_px=48,
    )


@pytest.mark.parametrize("prompt", AWKWARD)
def test_the_prompt_is_found_in_a_request_without_reading_the_rest(prompt: str) -> None:
    request = ImageRequest(
        prompt=prompt,
        references=('data:image/png;base64,"}',),
        aspect_ratio="1:1",
        n=2,
        options={"negative_prompt": '"prompt":"no"'},
    )

    written = dump_request(request)

    assert prompt_of(written) == prompt
    assert json.loads(prompt_as_json(written)) == prompt


def test_each_image_has_a_line_that_json_reads_as_the_prompt_was(
    ledger: Ledger, tmp_path: Path
) -> None:
    ids = [f'"{number}"' for number in range(len(AWKWARD))]
    prompts(ledger, AWKWARD, ids)
    no_columns = pl.DataFrame().write_ipc_stream(None).getvalue()
    ledger.meta.user_schema = no_columns
    ledger._connection.execute("UPDATE own_columns SET ipc = ?", (no_columns,))
    rows = row_ids(ledger)
    with Archive(tmp_path / "images.zip", 0) as archive:
        members = archive.append(incoming(number) for number in rows)
        for row_id, member in zip(rows, members, strict=True):
            attempt = replace(start(row_id, 1, 1), aspect_ratio=None)
            attempt_id = ledger.mark_sent(attempt)
            charge = (Charge.REPORTED, PRICE)
            ledger.mark_delivered(attempt_id, (), charge, "r", 1.0)
            ledger.mark_stored(attempt_id, [_stored(member)], None, AT)
            ledger.settle(row_id, Status.SUCCEEDED, None, None)

        write_outputs(ledger, archive, tmp_path)

    with zipfile.ZipFile(tmp_path / "images.zip") as whole:
        lines = whole.read("metadata.jsonl").decode().split("\n")[:-1]
        assert whole.testzip() is None
        assert whole.namelist()[1:] == [member.name for member in members]
    entries = [json.loads(line) for line in lines]
    assert [entry["prompt"] for entry in entries] == AWKWARD
    assert [entry["id"] for entry in entries] == ids
    assert entries[4] == {
        "file_name": members[4].name,
        "id": '"4"',
        "prompt": AWKWARD[4],
        "row": 4,
        "image_number": 1,
        "provider": "acme",
        "model": "acme-1",
        "aspect_ratio": None,
        "resolution": "1K",
        "width_px": 64,
        "height_px": 48,
        "sha256": "01" * 32,
    }
    table = pl.read_parquet(tmp_path / "results.parquet")
    assert table["prompt"].to_list() == AWKWARD
