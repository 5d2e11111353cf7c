"""What must come of a crossing: images, requests and money as each row says."""

from __future__ import annotations

import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image

from batchgen.model import pixel_size
from batchgen.model.capabilities import PIXELS_AT_1K
from batchgen.providers import PROVIDERS
from tests.books import Books, Record
from tests.contract.customer import Customer, check_books
from tests.contract.references import References
from tests.providers.expected import facts_of

_DIGEST = re.compile(r"sha256 ([0-9a-f]{64})")
_FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}

_UNSAID: Mapping[str, object] = {
    "output_format": "png",
    "service_tier": "default",
    "web_search": False,
    "image_search": False,
    "official_fallback": False,
    "quality": "auto",
    "background": "auto",
    "moderation": "auto",
}
"""Values that need not be said, since they are what happens anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a crossing came to; a wrong size is one that the tables do not promise."""

    rows: int
    images: int
    requests: int
    wrong_sizes: int
    spent_nano: int
    billed_nano: int


def check_crossing(
    customer: Customer, rows: Sequence[Record], references: References
) -> Figures:
    """Check all that was asked, and return the figures."""
    books = customer.books()
    failed = [row for row in books.rows if row["status"] != "succeeded"]
    assert failed == [], failed[:3]
    assert [row["warning"] for row in books.rows if row["warning"]] == []
    assert [len(row["files"]) for row in books.rows] == [row["n"] for row in rows]
    wrong = wrong_sizes(customer.provider, rows, books)
    assert wrong == [], wrong[:3]
    assert (books.spent, books.at_risk) == (books.billed, 0)
    check_books(books)
    check_requests(customer, rows, books, references)
    return Figures(
        rows=len(rows),
        images=sum(len(row["files"]) for row in books.rows),
        requests=len(books.requests),
        wrong_sizes=len(wrong),
        spent_nano=books.spent,
        billed_nano=books.billed,
    )


def wrong_sizes(provider: str, rows: Sequence[Record], books: Books) -> list[Record]:
    """Return files whose size or format is none that was paid for."""
    capabilities = PROVIDERS[provider].capabilities
    wrong = []
    with zipfile.ZipFile(books.folder / "images.zip") as archive:
        for asked, row in zip(rows, books.rows, strict=True):
            resolution = asked["resolution"] or capabilities.default_resolution
            ratio = asked["aspect_ratio"]
            # Left to the provider, it may be any that the model has.
            ratios = PIXELS_AT_1K if ratio in (None, "auto") else (ratio,)
            paid = {pixel_size(ratio, resolution) for ratio in ratios}
            kind = _FORMATS.get(asked.get("output_format") or "")
            for file in row["files"]:
                size = (file["width_px"], file["height_px"])
                with Image.open(BytesIO(archive.read(file["name"]))) as image:
                    fits = image.size == size and image.size in paid
                    if not fits or (kind and image.format != kind):
                        wrong.append({**file, "asked": asked})
    return wrong


def check_requests(
    customer: Customer, rows: Sequence[Record], books: Books, references: References
) -> None:
    """Check that each request holds what its row says, and its images."""
    provider = customer.provider
    max_images = PROVIDERS[provider].capabilities.images_per_request
    by_prompt = defaultdict(list)
    prompts = {row["prompt"] for row in rows}
    for request in books.requests:
        fields = list(leaves(request["body"]))
        [prompt] = [
            value for _, value in fields if isinstance(value, str) and value in prompts
        ]
        by_prompt[prompt].append(fields)
    uploads = {upload["id"]: upload["sha256"] for upload in customer.sandbox.uploads()}
    for row in rows:
        parts = by_prompt[row["prompt"]]
        assert len(parts) == -(-row["n"] // max_images), row
        for fields in parts:
            check_options(provider, row, fields)
            check_references(provider, row, fields, references, uploads)


Fields = Sequence[tuple[str, Any]]


def leaves(body: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of a logged request with its place; of files the digest."""
    if isinstance(body, list) and not place:  # a form
        for part in body:
            yield part["name"], part.get("value", f"sha256 {part.get('sha256')}")
    elif isinstance(body, dict) and body:
        for name, held in body.items():
            yield from leaves(held, f"{place}.{name}" if place else name)
    elif isinstance(body, list):
        for held in body:
            yield from leaves(held, place)
    else:
        yield place, body


def check_options(provider: str, row: Record, fields: Fields) -> None:
    facts = facts_of(provider)
    for name, place in facts.fields.items():
        stated = row.get(name)
        if stated is None:
            stated = facts.always.get(name)
        values = [value for at, value in fields if at == place]
        if values:
            assert stated is not None, (name, row)
            assert all(_means(value, stated) for value in values), (name, values, row)
        else:
            assert stated in (None, _UNSAID.get(name)), (name, row)


def _means(value: object, stated: object) -> bool:
    if isinstance(stated, bool):
        return stated and (value is True or value == {})
    if isinstance(stated, int | float):
        return float(str(value)) == stated
    return str(value).replace("jpeg", "jpg") == str(stated).replace("jpeg", "jpg")


def check_references(
    provider: str,
    row: Record,
    fields: Fields,
    references: References,
    uploads: Mapping[str, str],
) -> None:
    """Check that the images of a row travel in its order, whole and untouched."""
    takes_links = "link" in PROVIDERS[provider].capabilities.references.carriers
    expected = [
        reference
        if takes_links and reference.startswith("http")
        else references.digests.get(reference) or reference
        for reference in row["references"] or ()
    ]
    sent = []
    for _, value in fields:
        text = str(value)
        upload = text.rpartition("/")[2].partition(".")[0]
        if digest := _DIGEST.search(text):
            sent.append(digest[1])
        elif text.startswith("http"):
            sent.append(text if text in expected else uploads.get(upload, text))
    assert sent == expected, row
