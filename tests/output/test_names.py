"""Names of members are safe on every system and keep what they can."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchgen.output.member_names import (
    fold,
    folded_base_names,
    member_name,
    safe_base_name,
    strip_image_extension,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)
NASTY_PIECES = (
    """/ \\ .. . con NUL a é e\u0301 \ud83d : \x00 ? 日本 😀 .png metadata .jsonl"""
)
NASTY_TEXT = st.lists(
    st.sampled_from([*NASTY_PIECES.split(" "), " ", "\n", "x" * 90]), max_size=12
).map("".join)


@given(raw=st.one_of(ANY_TEXT, NASTY_TEXT))
@example(raw="")
@example(raw="CON" + " " * 120 + "x")
@example(raw="con." + "y" * 200)
@example(raw="é" * 47 + " é" * 20)
def test_a_stem_is_safe_whatever_it_was(raw: str) -> None:
    base_name = safe_base_name(raw)

    assert len(base_name.encode()) <= 200
    assert unicodedata.is_normalized("NFC", base_name)
    assert not any(unicodedata.category(sign) in ("Cc", "Cs") for sign in base_name)
    assert not set(base_name) & set('<>:"|?*\\')
    assert not PureWindowsPath(base_name).drive
    for segment in base_name.split("/"):
        assert segment
        assert not segment.startswith((".", " "))
        assert not segment.endswith((".", " "))
        assert segment.split(".")[0].rstrip().lower() not in {"con", "nul", "com1"}


@given(raw=st.one_of(ANY_TEXT, NASTY_TEXT))
def test_making_a_stem_safe_twice_changes_nothing(raw: str) -> None:
    base_name = safe_base_name(raw)

    assert safe_base_name(base_name) == base_name


@given(raw=st.one_of(ANY_TEXT, NASTY_TEXT))
def test_a_safe_stem_stays_within_its_folder_when_it_is_unpacked(raw: str) -> None:
    folder = Path("/somewhere/else")

    unpacked = (folder / safe_base_name(raw)).resolve()

    assert unpacked.is_relative_to(folder)
    assert unpacked != folder


@pytest.mark.parametrize(
    ("raw", "base_name"),
    [
        pytest.param("mugs/red cup", "mugs/red cup", id="folders-and-spaces-stay"),
        pytest.param("Кружка-日本語-é", "Кружка-日本語-é", id="letters-stay"),
        pytest.param(
            "👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧", id="joined-emoji-stays"
        ),
        pytest.param("e\u0301", "é", id="composed"),
        pytest.param("a\\b", "a/b", id="backslash"),
        pytest.param("../../etc/passwd", "etc/passwd", id="traversal"),
        pytest.param("a/./../b", "a/b", id="dots-within"),
        pytest.param("/etc//x", "etc/x", id="absolute"),
        pytest.param("C:\\x", "C_/x", id="drive"),
        pytest.param("a\x00b\nc\x7f", "a_b_c_", id="controls"),
        pytest.param('a<>:"|?*b', "a_______b", id="forbidden-on-windows"),
        pytest.param("a\u202egnp.exe", "a_gnp.exe", id="turned-round"),
        pytest.param("a\ud800b", "a_b", id="half-a-character"),
        pytest.param("name. . ", "name", id="weak-end"),
        pytest.param("NUL", "_NUL", id="reserved"),
        pytest.param("com1.tar/aux .x", "_com1.tar/_aux .x", id="reserved-extended"),
        pytest.param("lpt\u00b9", "_lpt\u00b9", id="reserved-superscript"),
        pytest.param("console", "console", id="not-reserved"),
        pytest.param(".hidden/.x", "_hidden/_x", id="hidden"),
        pytest.param("...", "_", id="nothing-left"),
        pytest.param("set.PNG/1", "set_PNG/1", id="folder-like-an-image"),
        pytest.param("metadata.jsonl/1", "metadata_jsonl/1", id="folder-like-metadata"),
        pytest.param("v1.2/a.b", "v1.2/a.b", id="other-dots-stay"),
    ],
)
def test_a_stem_keeps_all_that_is_safe(raw: str, base_name: str) -> None:
    assert safe_base_name(raw) == base_name


def test_a_long_path_loses_its_deepest_folders_first() -> None:
    base_name = safe_base_name("/".join(["a" * 60, "b" * 60, "c" * 60, "cup"]))

    assert base_name == "/".join(["a" * 60, "b" * 60, "c" * 60, "cup"])
    assert safe_base_name(base_name + "x" * 60) == "/".join(
        ["a" * 60, "b" * 60, "cup" + "x" * 60]
    )


def test_a_long_name_is_cut_between_characters() -> None:
    assert safe_base_name("日" * 100) == "日" * 32


@pytest.mark.parametrize(
    ("filename", "base_name"),
    [
        pytest.param("cup.png", "cup", id="png"),
        pytest.param("cup.JPEG", "cup", id="any-case"),
        pytest.param("cup.png.webp", "cup.png", id="once"),
        pytest.param("cup.v2", "cup.v2", id="other"),
        pytest.param("a/.png", "a/.png", id="whole-name"),
        pytest.param(".gif", ".gif", id="nothing-else"),
    ],
)
def test_only_an_image_extension_is_stripped(filename: str, base_name: str) -> None:
    assert strip_image_extension(filename) == base_name


def test_only_rows_of_several_images_number_them() -> None:
    assert member_name("a/cup", 1, 1, "png") == "a/cup.png"
    assert member_name("a/cup", 2, 3, "jpg") == "a/cup-2.jpg"


def test_a_row_of_several_images_claims_the_numbered_stems() -> None:
    claimed = {*folded_base_names("Cup", 2), *folded_base_names("Cup", 1)}

    assert claimed == {"cup-1", "cup-2", "cup"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Cup", "cUP", id="case"),
        pytest.param("é", "e\u0301", id="composition"),
        pytest.param("STRASSE", "straße", id="sharp-s"),
        pytest.param("Σίσυφος", "ΣΊΣΥΦΟΣ", id="final-sigma"),
        pytest.param("zero\u200cwidth", "zerowidth", id="joiner"),
        pytest.param("\ufb01sh", "FISH", id="ligature"),
    ],
)
def test_stems_that_some_system_takes_for_one_fold_to_one(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@given(raw=ANY_TEXT)
def test_folding_twice_changes_nothing(raw: str) -> None:
    folded = fold(raw)

    assert fold(folded) == folded
    assert unicodedata.is_normalized("NFC", folded)
