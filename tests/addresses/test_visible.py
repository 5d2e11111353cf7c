"""What a terminal may be given: nothing that it obeys, and all that can be read."""

from __future__ import annotations

import pytest

from batchgen.addresses.characters import visible, visible_line

READABLE = {
    "ascii": "a cup, 100 % (new)\tand\nmore",
    "umlauts": "Gr\u00fc\u00dfe, d\u00e9j\u00e0 vu, \u00a0 1\u00a0000",
    "cjk": "\u8d64\u3044\u30e9\u30f3\u30d7\u3000\u1112\u1161\u11ab\uae00",
    "arabic-hebrew": "\u0645\u0635\u0628\u0627\u062d \u05de\u05e0\u05d5\u05e8\u05d4",
    "persian": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "family": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "heart": "\u2764\ufe0f",
    "flag-of-england": "\U0001f3f4"
    + "".join(chr(0xE0000 + ord(letter)) for letter in "gbeng\x7f"),
}
OBEYED = {
    "escape": "\x1b[2J",
    "clipboard": "\x1b]52;c;cm0gLXJm\x07",
    "c1-csi": "\x9b31m",
    "c1-osc": "\x9d0;title\x9c",
    "backspace": "safe\x08\x08evil",
    "carriage-return": "rm -rf ~\rharmless",
    "null": "a\x00b",
    "delete": "a\x7fb",
    "bidi-override": "gpj.\u202eexe",
    "bidi-isolate": "a\u2066b\u2069",
    "bidi-marks": "\u200e\u200f\u061c",
    "zero-width": "a\u200bb\u2060c\ufeff",
    "joiner-in-ascii": "ru\u200dn",
    "line-separators": "a\u2028b\u2029c",
    "tags": "a\U000e0041\U000e0042",
    "soft-hyphen": "a\u00adb",
    "surrogate": "caf\udce9",
}


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize("text", OBEYED.values(), ids=OBEYED)
def test_what_a_terminal_obeys_or_hides_is_named(text: str) -> None:
    shown = visible(text)

    assert "[U+" in shown
    assert all(char.isprintable() or char in "\n\t" for char in shown)
    assert shown.encode()
    assert visible(shown) == shown


def test_one_line_stays_one_line() -> None:
    forged = "a\nbatchgen: all is well\r\n\x1b[1A\u2028b"

    assert len(visible_line(forged).splitlines()) == 1
