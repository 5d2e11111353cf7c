"""All that one provider can be asked for, crossed; and what must come of it."""

from __future__ import annotations

import re
import zipfile
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from hashlib import sha256
from io import BytesIO
from itertools import cycle, product
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from batchgen.model import OptionRule, pixel_size, type_of_option
from batchgen.model.capabilities import PIXELS_AT_1K
from batchgen.providers import PROVIDERS
from batchgen.sandbox import KEY, SandboxProcess
from batchgen.sandbox.drawing import stand_in
from tests.acceptance.books import Books, Record
from tests.contract.customer import Customer, check_books
from tests.contract.pairs import pairwise

FAR = "https://shop.example/lamp.png"
"""Nobody is there: whoever must send bytes sends a drawing in its place."""
_DIGEST = re.compile(r"sha256 ([0-9a-f]{64})")
_FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}

FIELDS: Mapping[str, Mapping[str, str]] = {
    "aimlapi": {"web_search": "enable_web_search"},
    "apiai": {
        it: it
        for it in (
            *("max_output_tokens", "negative_prompt", "person_generation"),
            *("safety_filter_level", "temperature", "top_k", "top_p"),
        )
    },
    "foxapi": {
        "output_format": "output_format",
        "web_search": "google_search",
        "image_search": "image_search",
    },
    "nanobananaapi": {"service_tier": "service_tier"},
    "gccai": {
        "official_fallback": "official_fallback",
        "web_search": "google_search",
        "image_search": "google_image_search",
    },
    "gemini": {
        "temperature": "generationConfig.temperature",
        "top_p": "generationConfig.topP",
        "top_k": "generationConfig.topK",
        "max_output_tokens": "generationConfig.maxOutputTokens",
        "safety_filter_level": "safetySettings.threshold",
        "web_search": "tools.google_search",
    },
    "openai": {"output_format": "output_format"},
}
"""By provider where each option stands in a request."""
_UNSAID: Mapping[str, object] = {
    "output_format": "png",
    "service_tier": "default",
    "web_search": False,
    "image_search": False,
    "official_fallback": False,
}
"""Values that need not be said, since they are what happens anyway."""


# -- what is asked


@dataclass(frozen=True, slots=True)
class References:
    """Reference images of each kind, beside a manifest.

    Attributes:
        kinds: What stands in the column, by kind.
        digests: Of the file that each reference stands for.
    """

    kinds: Mapping[str, Sequence[str] | None]
    digests: Mapping[str, str]


def make_references(folder: Path, bank: SandboxProcess, most: int) -> References:
    """Write small images of each kind; one of them is served by the bank."""
    files = {f"sketch {number}.png": _file("PNG", number) for number in range(most)}
    files |= {"photo.jpg": _file("JPEG", 90), "naïve/photo.webp": _file("WEBP", 91)}
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    inline = _file("PNG", 92)
    uri = f"data:image/png;base64,{b64encode(inline).decode()}"
    served = _file("PNG", 93)
    near = _served(bank, served)
    sketches = [f"sketch {number}.png" for number in range(most)]
    bytes_of = {**files, uri: inline, near: served, FAR: stand_in()}
    kinds: dict[str, Sequence[str] | None] = {
        "none": None,
        "png": sketches[:1],
        "jpg": ["photo.jpg"],
        "webp": ["naïve/photo.webp"],
        "data": [uri],
        "far": [FAR],
        "near": [near],
        "several": ["photo.jpg", FAR, uri, sketches[0]][:most],
        "most": sketches,
    }
    digests = {it: sha256(data).hexdigest() for it, data in bytes_of.items()}
    return References(kinds, digests)


def _file(kind: str, shade: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (32 + shade % 7, 32), (shade, 255 - shade, 99)).save(file, kind)
    return file.getvalue()


def _served(bank: SandboxProcess, data: bytes) -> str:
    """Return an URL on this machine under which an image is served."""
    reply = httpx.post(
        bank.provider_url("foxapi") + "/v1/files/upload/stream",
        files={
            "file": ("near.png", data, "image/png"),
            "file_name": (None, "near.png"),
            "auto_cleanup": (None, "true"),
        },
        headers={"authorization": f"Bearer {KEY}"},
        trust_env=False,
        verify=False,  # loading the certificates would take longer than the rest
    )
    url: str = reply.raise_for_status().json()["url"]
    return url


def levels_of(provider: str, references: References) -> dict[str, list[Any]]:
    """Return all that each column can say, the cheapest first."""
    able = PROVIDERS[provider].capabilities
    return {
        "aspect_ratio": [*able.aspect_ratios, None],
        "resolution": [*able.resolutions, None],
        "n": list(range(1, able.images_per_request + 2)),
        "references": list(references.kinds.values()),
        **{name: _values(name, rule) for name, rule in able.options.items()},
    }


def _values(name: str, rule: OptionRule) -> list[Any]:
    if rule.choices:
        return [None, *rule.choices]
    if type_of_option[name] is bool:
        return [None, True, False]
    if rule.least is None or rule.most is None:
        return [None, "blurry, “soft” 青"]
    return [None, rule.least, (rule.least + rule.most) // 2, rule.most]


def _clash(provider: str, row: Mapping[str, Any]) -> bool:
    """Tell whether a row states an option without the one that it needs."""
    options = PROVIDERS[provider].capabilities.options
    return any(
        row.get(name) and rule.needs in row and not row[rule.needs]
        for name, rule in options.items()
        if rule.needs
    )


def pairwise_rows(provider: str, references: References) -> list[Record]:
    """Return rows in which each level of a column meets each of every other.

    Of the numbers of images, those stand for all that lie next to a limit; where they
    are many and large, only one ratio is drawn.
    """
    levels = levels_of(provider, references)
    counts, ratio = levels["n"], levels["aspect_ratio"][0]
    levels["n"] = sorted({*counts[:2], *counts[-2:]})

    def clashes(row: Mapping[str, Any]) -> bool:
        is_dear = row.get("n", 1) > 2 and row.get("resolution") in ("2K", "4K")
        drawn_often = is_dear and row.get("aspect_ratio", ratio) != ratio
        return drawn_often or _clash(provider, row)

    return _numbered(pairwise(levels, clashes))


def all_rows(provider: str, references: References) -> list[Record]:
    """Return every ratio, resolution, number and kind of reference with all others.

    The options, crossed pairwise among themselves, are dealt out in turn.
    """
    levels = levels_of(provider, references)
    crossed = {name: levels.pop(name) for name in list(levels)[:4]}
    # One factor alone has no pairs: beside another of one level it has.
    options = pairwise({**levels, "id": [None]}, partial(_clash, provider))
    rows = [dict(zip(crossed, it, strict=True)) for it in product(*crossed.values())]
    return _numbered(
        {**dealt, **row} for row, dealt in zip(rows, cycle(options), strict=False)
    )


def a_row_for_each_kind(provider: str, references: References) -> list[Record]:
    """Return small rows, one for each kind of reference."""
    levels = levels_of(provider, references)
    cheapest = {name: values[0] for name, values in levels.items()}
    return _numbered({**cheapest, "references": it} for it in levels["references"])


def _numbered(rows: Iterable[Record]) -> list[Record]:
    return [
        {**row, "id": f"x{number:05}", "prompt": f"{number}: a “naïve” 青 cup"}
        for number, row in enumerate(rows)
    ]


def rates_of(customer: Customer) -> dict[str, Decimal]:
    """Return what a credit is worth, where replies count credits that nobody prices."""
    usd = customer.tariff[customer.cheapest].get("usd_per_credit")
    return {} if usd is None else {"credit": Decimal(usd)}


async def cross(
    customer: Customer,
    choose: Callable[[str, References], list[Record]],
    **terms: object,
) -> Figures:
    """Buy the rows that are chosen, check all that comes of it, return the figures."""
    rules = PROVIDERS[customer.provider].capabilities.references
    references = make_references(customer.folder, customer.bank, rules.most)
    rows = choose(customer.provider, references)
    customer.write(rows)
    usual = {"concurrency": 16, "rates": rates_of(customer)}
    await customer.run(terms={**usual, **terms})
    return check_crossing(customer, rows, references)


# -- what comes of it


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
    assert [it["warning"] for it in books.rows if it["warning"]] == []
    assert [len(it["files"]) for it in books.rows] == [row["n"] for row in rows]
    wrong = wrong_sizes(customer.provider, rows, books)
    assert wrong == [], wrong[:3]
    assert (books.spent, books.at_risk) == (books.billed, 0)
    check_books(books)
    check_requests(customer, rows, books, references)
    return Figures(
        rows=len(rows),
        images=sum(len(it["files"]) for it in books.rows),
        requests=len(books.requests),
        wrong_sizes=len(wrong),
        spent_nano=books.spent,
        billed_nano=books.billed,
    )


def wrong_sizes(provider: str, rows: Sequence[Record], books: Books) -> list[Record]:
    """Return files whose size or format is none that was paid for."""
    able = PROVIDERS[provider].capabilities
    wrong = []
    with zipfile.ZipFile(books.folder / "images.zip") as archive:
        for asked, row in zip(rows, books.rows, strict=True):
            resolution = asked["resolution"] or able.default_resolution
            ratio = asked["aspect_ratio"]
            # Left to the provider, it may be any that the model has.
            ratios = PIXELS_AT_1K if ratio in (None, "auto") else (ratio,)
            paid = {pixel_size(it, resolution) for it in ratios}
            kind = _FORMATS.get(asked.get("output_format") or "")
            for file in row["files"]:
                said = (file["width_px"], file["height_px"])
                with Image.open(BytesIO(archive.read(file["name"]))) as image:
                    fits = image.size == said and image.size in paid
                    if not fits or (kind and image.format != kind):
                        wrong.append({**file, "asked": asked})
    return wrong


def check_requests(
    customer: Customer, rows: Sequence[Record], books: Books, references: References
) -> None:
    """Check that each request holds what its row says, and its images."""
    provider = customer.provider
    most = PROVIDERS[provider].capabilities.images_per_request
    by_prompt = defaultdict(list)
    prompts = {row["prompt"] for row in rows}
    for request in books.requests:
        said = list(leaves(request["body"]))
        [prompt] = [it for _, it in said if isinstance(it, str) and it in prompts]
        by_prompt[prompt].append(said)
    uploads = {it["id"]: it["sha256"] for it in customer.bank.uploads()}
    for row in rows:
        parts = by_prompt[row["prompt"]]
        assert len(parts) == -(-row["n"] // most), row
        for said in parts:
            check_options(provider, row, said)
            check_references(provider, row, said, references, uploads)


Said = Sequence[tuple[str, Any]]


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


def check_options(provider: str, row: Record, said: Said) -> None:
    for name, place in FIELDS[provider].items():
        stated = row.get(name)
        found = [it for at, it in said if at == place]
        if found:
            assert stated is not None, (name, row)
            assert all(_means(it, stated) for it in found), (name, found, row)
        else:
            assert stated in (None, _UNSAID.get(name)), (name, row)


def _means(found: object, stated: object) -> bool:
    if isinstance(stated, bool):
        return stated and (found is True or found == {})
    if isinstance(stated, int | float):
        return float(str(found)) == stated
    return str(found).replace("jpeg", "jpg") == str(stated).replace("jpeg", "jpg")


def check_references(
    provider: str,
    row: Record,
    said: Said,
    references: References,
    uploads: Mapping[str, str],
) -> None:
    """Check that the images of a row travel in its order, whole and untouched."""
    takes_links = "link" in PROVIDERS[provider].capabilities.references.carriers
    wanted = [
        it
        if takes_links and it.startswith("http")
        else references.digests.get(it) or it
        for it in row["references"] or ()
    ]
    found = []
    for _, value in said:
        text = str(value)
        upload = text.rpartition("/")[2].partition(".")[0]
        if digest := _DIGEST.search(text):
            found.append(digest[1])
        elif text.startswith("http"):
            found.append(text if text in wanted else uploads.get(upload, text))
    assert found == wanted, row
