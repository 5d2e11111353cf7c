from __future__ import annotations

from pathlib import Path

import pytest

from batchgen.manifest import FileContents, fingerprint, key_of
from batchgen.model import ImageRequest

FULL = ImageRequest(
    prompt="Tasse in Blau, 青いカップ",
    references=("https://a.example/x.png", "cup.png"),
    aspect_ratio="16:9",
    resolution="2K",
    n=3,
    model="nano-banana-2",
    options={"temperature": 0.7, "web_search": True, "top_k": 40},
)
DIGEST = "ab" * 32


def no_files(reference: str) -> None:
    return None


# These stand on users' disks. A change here buys every image of every job again.
@pytest.mark.parametrize(
    ("request_", "golden"),
    [
        pytest.param(
            ImageRequest(prompt="a red mug"),
            "318cb229e111118a8f1d308049eefafa",
            id="prompt-alone",
        ),
        pytest.param(FULL, "4c7d394ca721af413c432e029a4d251c", id="everything-stated"),
        pytest.param(
            ImageRequest(prompt="x", references=("data:image/png;base64,AA==",)),
            "9c4fc8ea9609660cde46c675081fed1c",
            id="data-uri",
        ),
    ],
)
def test_fingerprints_never_change(request_: ImageRequest, golden: str) -> None:
    def contents(reference: str) -> str:
        return DIGEST

    assert fingerprint(request_, contents).hex() == golden


@pytest.mark.parametrize(
    ("id_", "occurrence", "golden"),
    [
        ("sku-1", 0, 3681392540763217870),
        (None, 0, 710539993306980147),
        (None, 1, 2262249622838714005),
    ],
)
def test_keys_never_change(id_: str | None, occurrence: int, golden: int) -> None:
    assert key_of(id_, bytes(range(16)), occurrence) == golden


def test_an_id_alone_makes_the_key_where_there_is_one() -> None:
    assert key_of("a", b"x" * 16, 0) == key_of("a", b"y" * 16, 0)
    assert key_of("a", b"x" * 16, 0) != key_of("b", b"x" * 16, 0)


@pytest.mark.parametrize("number", range(50))
def test_a_key_fits_a_signed_integer_of_the_ledger(number: int) -> None:
    assert 0 <= key_of(str(number), b"", 0) < 2**63


def test_whatever_is_stated_counts() -> None:
    variants = [
        ImageRequest(prompt="x"),
        ImageRequest(prompt="x "),
        ImageRequest(prompt="x", n=2),
        ImageRequest(prompt="x", model="m"),
        ImageRequest(prompt="x", resolution="1K"),
        ImageRequest(prompt="x", aspect_ratio="1:1"),
        ImageRequest(prompt="x", references=("https://a.example",)),
        ImageRequest(prompt="x", options={"seed": 1}),
    ]

    assert len({fingerprint(each, no_files) for each in variants}) == len(variants)


def test_a_local_reference_counts_by_its_content_and_a_url_by_its_text(
    tmp_path: Path,
) -> None:
    for name, content in (("a.png", b"1"), ("b.png", b"1"), ("c.png", b"2")):
        (tmp_path / name).write_bytes(content)
    contents = FileContents(tmp_path)

    def of(reference: str) -> bytes:
        return fingerprint(ImageRequest(prompt="x", references=(reference,)), contents)

    assert of("a.png") == of("b.png") != of("c.png")
    assert of("https://h.example/a.png") != of("https://h.example/b.png")
