"""Whether a provider can take references, said with name, size and limit."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from batchgen.model import ReferenceRules
from batchgen.references import Inspector, Unusable, why_unsupported
from tests.references.pictures import noise, written

MIB = 1024 * 1024
RULES = ReferenceRules(max_count=3, carriers=("link", "inline"))


def sized(size: int) -> bytes:
    """Return a PNG of exactly this size; what stands behind its end is left alone."""
    return written(noise((8, 8)), "PNG").ljust(size, b"\0")


@pytest.fixture
def inspector(tmp_path: Path) -> Inspector:
    """Return an inspector over some files."""
    (tmp_path / "logo.png").write_bytes(sized(12_440_000))
    (tmp_path / "mug.png").write_bytes(sized(10_000_000))
    (tmp_path / "photo.gif").write_bytes(written(noise(), "GIF"))
    (tmp_path / "cut.png").write_bytes(sized(100)[:50])
    return Inspector(tmp_path)


@pytest.mark.parametrize(
    ("references", "rules", "reason"),
    [
        pytest.param(("mug.png",), {}, None, id="no-limit"),
        pytest.param(("mug.png",), {"max_bytes": 10_000_000}, None, id="at-limit"),
        pytest.param(
            ("mug.png", "logo.png"),
            {"max_bytes": 10_000_000},
            "logo.png: 12.4 MB, at most 10 MB are taken; scale down, or say "
            "`shrink = true` under [references]",
            id="too-large",
        ),
        pytest.param(
            ("mug.png",),
            {"max_bytes": 5 * MIB},
            "mug.png: 9.5 MiB, at most 5 MiB are taken; scale down, or say "
            "`shrink = true` under [references]",
            id="limit-in-mebibytes",
        ),
        pytest.param(
            ("mug.png",),
            {"max_bytes": 9_999_999},
            "mug.png: 10,000,000 bytes, at most 9,999,999 bytes are taken; scale "
            "down, or say `shrink = true` under [references]",
            id="too-large-by-a-byte",
        ),
        pytest.param(
            ("photo.gif",),
            {},
            "photo.gif: image/gif is not taken (image/png, image/jpeg, image/webp can "
            "be); convert it, or say `shrink = true` under [references]",
            id="type",
        ),
        pytest.param(
            ("photo.gif",),
            {"media_types": ("image/heic",)},
            "photo.gif: image/gif is not taken (image/heic can be)",
            id="type-that-cannot-be-made",
        ),
        pytest.param(
            ("mug.png", "logo.png"), {"max_total_bytes": 22_440_000}, None, id="sum"
        ),
        pytest.param(
            ("mug.png", "https://a.example/x", "logo.png"),
            {"max_total_bytes": 20_000_000},
            "2 files together: 22.4 MB, at most 20 MB are taken; scale down, or say "
            "`shrink = true` under [references]",
            id="too-large-together",
        ),
        pytest.param(
            ("https://a.example/x",), {"max_bytes": 1000}, None, id="url-as-a-link"
        ),
        pytest.param(
            ("https://a.example/x",), {"carriers": ("part",)}, None, id="url-to-fetch"
        ),
        pytest.param(
            ("https://a.example/x", "mug.png"),
            {"carriers": ("link",)},
            "mug.png: only http(s) URLs are taken",
            id="links-alone",
        ),
    ],
)
def test_what_a_provider_cannot_take_is_told(
    inspector: Inspector,
    references: tuple[str, ...],
    rules: dict[str, object],
    reason: str | None,
) -> None:
    rules_ = ReferenceRules(**{"max_count": 3, "carriers": RULES.carriers, **rules})  # type: ignore[arg-type]

    assert why_unsupported(references, rules_, inspector, shrink=False) == reason


@pytest.mark.parametrize(
    ("references", "rules"),
    [
        pytest.param(("logo.png",), {"max_bytes": 1000}, id="size"),
        pytest.param(("photo.gif",), {}, id="type"),
        pytest.param(("mug.png", "logo.png"), {"max_total_bytes": 9999}, id="sum"),
    ],
)
def test_what_can_be_shrunk_passes_if_that_is_allowed(
    inspector: Inspector, references: tuple[str, ...], rules: dict[str, object]
) -> None:
    rules_ = ReferenceRules(**{"max_count": 3, "carriers": RULES.carriers, **rules})  # type: ignore[arg-type]

    assert why_unsupported(references, rules_, inspector, shrink=False) is not None
    assert why_unsupported(references, rules_, inspector, shrink=True) is None


def test_what_cannot_be_made_is_refused_even_then(inspector: Inspector) -> None:
    rules = ReferenceRules(max_count=3, carriers=("part",), media_types=("image/heic",))

    reason = why_unsupported(("photo.gif",), rules, inspector, shrink=True)

    assert reason == "photo.gif: image/gif is not taken (image/heic can be)"


def test_a_broken_image_is_nobodys(inspector: Inspector) -> None:
    with pytest.raises(Unusable, match=r"^cut\.png: no usable image"):
        why_unsupported(("mug.png", "cut.png"), RULES, inspector, shrink=True)


def test_a_data_uri_is_named_by_its_beginning(inspector: Inspector) -> None:
    uri = "data:image/png;base64," + base64.b64encode(sized(5000)).decode()
    rules = ReferenceRules(max_count=1, carriers=("inline",), max_bytes=1000)

    reason = why_unsupported((uri,), rules, inspector, shrink=False)

    assert reason is not None
    assert reason.startswith("data:image/png;base64,iVBORw0K...: 5")
    assert len(reason) < 200
