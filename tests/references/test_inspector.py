"""What a reference image is, and which are refused before they cost anything."""

from __future__ import annotations

import base64
import os
import struct
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest

from batchgen.images import ImageFacts
from batchgen.references import Inspector, Unusable
from batchgen.references import loading as limits
from batchgen.references.loading import Identity, read
from tests.images.test_inspect import png_of
from tests.references.pictures import animation, noise, written

PNG = written(noise(), "PNG")


@pytest.mark.parametrize(
    ("kind", "media_type", "extension"),
    [
        ("PNG", "image/png", "png"),
        ("JPEG", "image/jpeg", "jpg"),
        ("WEBP", "image/webp", "webp"),
        ("GIF", "image/gif", "gif"),
        ("AVIF", "image/avif", "avif"),
    ],
)
def test_an_image_is_told_by_its_content(
    tmp_path: Path, kind: str, media_type: str, extension: str
) -> None:
    data = written(noise(), kind)
    (tmp_path / "a.bin").write_bytes(data)

    assert Inspector(tmp_path).facts_of("a.bin") == ImageFacts(
        media_type=media_type,
        extension=extension,
        size_bytes=len(data),
        width_px=64,
        height_px=48,
    )


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("data:image/jpeg;base64,", id="other-type-stated"),
        pytest.param("DATA:;base64,", id="capitals-and-no-type"),
    ],
)
def test_a_data_uri_is_told_by_its_content(tmp_path: Path, head: str) -> None:
    facts = Inspector(tmp_path).facts_of(head + base64.b64encode(PNG).decode())

    assert facts is not None
    assert (facts.media_type, facts.size_bytes) == ("image/png", len(PNG))


def test_a_data_uri_may_be_percent_encoded(tmp_path: Path) -> None:
    facts = Inspector(tmp_path).facts_of("data:image/png," + quote_from_bytes(PNG))

    assert facts is not None
    assert facts.size_bytes == len(PNG)


@pytest.mark.parametrize("url", ["https://a.example/x.png", "HTTP://a.example/x"])
def test_of_a_url_nothing_is_known(tmp_path: Path, url: str) -> None:
    assert Inspector(tmp_path).facts_of(url) is None


def still_apng() -> bytes:
    """Return a PNG that calls itself an animation of one frame."""
    control = struct.pack(">I4sIII", 8, b"acTL", 1, 0, 0)
    return PNG[:33] + control + PNG[33:]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(still_apng(), id="apng-of-one-frame"),
        pytest.param(written(noise(), "GIF", save_all=True), id="gif-of-one-frame"),
        pytest.param(PNG + bytes(100), id="zeros-behind"),
        pytest.param(png_of(29_666, 3_000), id="as-large-as-may-be"),
    ],
)
def test_a_still_image_is_taken(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)

    assert Inspector(tmp_path).facts_of("a.png") is not None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "a.png: no usable image (empty)", id="empty"),
        pytest.param(b"Not found", "a.png: no usable image (text)", id="text"),
        pytest.param(b"<html>", "(an HTML page)", id="html"),
        pytest.param(b"\x89PNQ" + PNG[4:], "(no known image", id="wrong-magic"),
        pytest.param(PNG[:-20], "(cut off: PNG without its end)", id="truncated"),
        pytest.param(animation("GIF"), "animated, 3 frames", id="gif"),
        pytest.param(animation("PNG"), "animated, 3 frames", id="apng"),
        pytest.param(animation("WEBP"), "animated, 3 frames", id="webp"),
        pytest.param(animation("AVIF"), "animated, 3 frames", id="avif"),
        pytest.param(
            png_of(30_001, 1), "30001 x 1 pixels are too large", id="too-long"
        ),
        pytest.param(png_of(10_000, 8_901), "at most 30,000 a side", id="too-many"),
        pytest.param(png_of(60_000, 60_000), "too large", id="absurd"),
    ],
)
def test_what_no_provider_could_use_is_refused(
    tmp_path: Path, data: bytes, message: str
) -> None:
    (tmp_path / "a.png").write_bytes(data)

    with pytest.raises(Unusable) as caught:
        Inspector(tmp_path).facts_of("a.png")

    assert str(caught.value).startswith("a.png: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        pytest.param("gone.png", "gone.png: no such file", id="missing"),
        pytest.param("a.png/b.png", "a.png/b.png: no such file", id="below-a-file"),
        pytest.param("folder", "folder: not a file", id="folder"),
        pytest.param("pipe", "pipe: not a file", id="pipe"),
        pytest.param("nul\0", "no such file", id="nul"),
        pytest.param("ring.png", "ring.png: cannot be read: ", id="ring-of-links"),
        pytest.param("huge.png", "huge.png: 100.0 MB are too large", id="too-big"),
        pytest.param(
            "data:image/png;base64,!", "data:image/png;base64,!...: a data", id="data"
        ),
        pytest.param(
            "data:image/png;base64,AAAA", "(nothing but zero bytes)", id="zeros"
        ),
    ],
)
def test_what_cannot_be_read_is_refused(
    tmp_path: Path, reference: str, message: str
) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "ring.png").symlink_to("ring.png")
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(limits.MAX_BYTES + 1)

    with pytest.raises(Unusable) as caught:
        Inspector(tmp_path).facts_of(reference)

    assert message in str(caught.value)


def test_an_absurdly_long_data_uri_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchgen.references.loading._MAX_URI_CHARACTERS", 1000)
    monkeypatch.setattr("batchgen.references.loading.MAX_BYTES", 700)

    with pytest.raises(Unusable, match="too large"):
        Inspector(tmp_path).facts_of("data:image/png;base64," + "A" * 2000)


# -- each is looked at once


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the size of whatever is read."""
    sizes: list[int] = []

    def counted(reference: str, identity: Identity) -> bytes:
        data = read(reference, identity)
        sizes.append(len(data))
        return data

    monkeypatch.setattr("batchgen.references.inspector.read", counted)
    return sizes


def test_a_file_is_read_once_until_it_changes(tmp_path: Path, reads: list[int]) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    inspector = Inspector(tmp_path)

    for reference in ("a.png", "./a.png", str(path), "a.png"):
        inspector.facts_of(reference)
    other = written(noise((8, 8)), "PNG")
    path.write_bytes(other)
    os.utime(path, ns=(1, 1))
    facts = inspector.facts_of("a.png")

    assert reads == [len(PNG), len(other)]
    assert facts is not None
    assert facts.width_px == 8


def test_a_broken_file_is_read_once_and_refused_by_each_name(
    tmp_path: Path, reads: list[int]
) -> None:
    (tmp_path / "a.png").write_bytes(PNG[:-1])
    inspector = Inspector(tmp_path)

    for name in ("a.png", str(tmp_path / "a.png")):
        with pytest.raises(Unusable, match=f"^{name}: no usable image"):
            inspector.facts_of(name)

    assert len(reads) == 1


def test_a_data_uri_is_read_once(tmp_path: Path, reads: list[int]) -> None:
    inspector = Inspector(tmp_path)
    uri = "data:image/png;base64," + base64.b64encode(PNG).decode()

    assert inspector.facts_of(uri) == inspector.facts_of(uri)

    assert len(reads) == 1


def test_no_more_than_the_latest_are_remembered(
    tmp_path: Path, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Inspector, "_MAX_ENTRIES", 2)
    inspector = Inspector(tmp_path)
    for name in "abc":
        (tmp_path / name).write_bytes(PNG)

    for name in "abac":  # `b` is the one not used for longest
        inspector.facts_of(name)
    inspector.facts_of("a")
    inspector.facts_of("b")

    assert len(reads) == 4
