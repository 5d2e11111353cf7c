"""Run folders for the tests: a real ledger, a real archive, and the page of both."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

from batchgen.errors import Charge
from batchgen.ledger import Charged, Ledger, PlanWriter, StoredImage
from batchgen.manifest import key_of
from batchgen.model import Link, State, Status
from batchgen.output.archive import NewImage, Tag
from batchgen.output.member_names import folded_base_names
from batchgen.report.page import write_page
from batchgen.runner.folder import RunFolder, open_folder
from tests.ledger.books import AT, PRICE, ended, entry, send_part

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row, and what came of it.

    Attributes:
        picture: Bytes that were stored for it; None for a row that was refused.
        message: What is said of it, if it was refused.
        error: Of which kind that is.
    """

    id: str
    prompt: str = "a cup"
    picture: bytes | None = None
    message: str = "no"
    error: str = "refused"
    cost: int | None = PRICE
    uncertain: int = 0
    own: dict[str, str] = field(default_factory=dict)


def png(colour: str, size: tuple[int, int] = (640, 400)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


@contextmanager
def made(folder: Path, rows: Sequence[Row]) -> Iterator[RunFolder]:
    """Make a run folder in which these rows have ended."""
    with open_folder(folder, folder / "m.csv", "loopback") as opened:
        read(opened.ledger, rows)
        with opened.ledger.transaction():
            for position, row in enumerate(rows):
                _end(opened, position + 1, row)
        yield opened


def read(ledger: Ledger, rows: Sequence[Row]) -> None:
    """Let the ledger read a manifest with these rows, and their own columns."""
    own = pl.DataFrame([row.own for row in rows])
    data, schema = io.BytesIO(), io.BytesIO()
    own.write_ipc(data)
    own.clear().write_ipc(schema)
    entries = [entry(at, row.prompt, id=row.id) for at, row in enumerate(rows)]
    with ledger.transaction():
        plan = PlanWriter(ledger, key_of, folded_base_names)
        plan.add(entries, data.getvalue(), 0)
        plan.end()
        plan.complete(f"digest {len(rows)}", schema.getvalue(), len(rows))


def _end(folder: RunFolder, row_id: int, row: Row) -> None:
    ledger = folder.ledger
    attempt_id = send_part(ledger, row_id)
    if row.picture is None:
        end = ended(State.FAILED, error=row.error)
        ledger.mark_ended(attempt_id, replace(end, message=row.message))
        ledger.settle(row_id, Status.REFUSED, row.error, row.message)
        return
    tag = Tag(attempt_id=attempt_id, image=1, images=1, cost_nano=None, modified=NOW)
    name = f"row-{row_id}.png"
    incoming = NewImage(name=name, data=row.picture, tag=tag)
    [member] = folder.archive.append([incoming])
    stored = StoredImage(
        image=1,
        name=name,
        place=member.offset,
        size_bytes=member.size_bytes,
        crc32=member.crc32,
        sha256=sha256(row.picture).digest(),
        media_type="image/png",
        width_px=640,
        height_px=400,
    )
    charge = Charged(Charge.PRICE_LIST, row.cost, row.uncertain)
    ledger.mark_delivered(
        attempt_id, [(1, Link("https://cdn.example/1"))], charge, "r", 2.5
    )
    ledger.mark_stored(attempt_id, [stored], None, AT + 2_000_000)
    ledger.settle(row_id, Status.SUCCEEDED, None, None)


class Page(HTMLParser):
    """A page as a browser reads it: elements, their text, and the data in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = defaultdict(list)
        self._within = ""
        self.feed(text)

    @classmethod
    def of(cls, folder: RunFolder) -> Page:
        """Write the page of a run folder, and read it."""
        return cls(write_page(folder.ledger, folder.path, NOW).read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = tag
        if tag in ("script", "style"):
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in ("script", "style"):
            self.texts[self._within][-1] += data
        elif data.strip():
            self.texts["text"].append(data.strip())

    @property
    def columns(self) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = json.loads(self.texts["script"][0])["columns"]
        return columns

    @property
    def thumbnails(self) -> dict[str, str | None]:
        texts = zip(self._scripts, self.texts["script"], strict=True)
        pieces = [
            json.loads(text) for kind, text in texts if kind.get("class") == "thumbs"
        ]
        return {name: image for piece in pieces for name, image in piece.items()}

    @property
    def executed(self) -> list[str]:
        """Return the scripts that are not data."""
        texts = zip(self._scripts, self.texts["script"], strict=True)
        return [text for kind, text in texts if "type" not in kind]

    @property
    def _scripts(self) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == "script"]

    def value_of(self, term: str) -> str:
        """Return what the totals say of a term."""
        return self.texts["text"][self.texts["text"].index(term) + 1]
