"""How an address is shown: nothing hidden, no secret, no megabytes."""

from __future__ import annotations

import pytest

from batchgen.addresses import find_hidden, is_local, is_url, marked, shown


@pytest.mark.parametrize(
    ("reference", "shown_as"),
    [
        pytest.param("a b.png", "a b.png", id="path"),
        pytest.param("x" * 300, "x" * 200, id="long"),
        pytest.param("https://h/x.png?token=1", "https://h/x.png", id="query"),
        pytest.param("HTTP://me:pw@h/x", "HTTP://...@h/x", id="password"),
        pytest.param("https://h/a@b", "https://h/a@b", id="at-in-the-path"),
        pytest.param("https://h:8/a@b", "https://h:8/a@b", id="at-behind-a-port"),
        pytest.param("https://[::1]/a@b", "https://[::1]/a@b", id="at-behind-ipv6"),
        pytest.param("https://me:pw@h/a@b", "https://...@h/a@b", id="two-ats"),
        pytest.param("https://me:p#w@h/x", "https://...@h/x", id="hash-in-password"),
        pytest.param("https://me:p?w@h/x", "https://...@h/x", id="query-in-password"),
        pytest.param("https://me:p/w@h/x", "https://...@h/x", id="slash-in-password"),
        pytest.param("a\u200b\x1b[31m.png", "a[U+200B][U+001B][31m.png", id="hidden"),
        pytest.param(
            "data:image/png;base64,AAAABBBBCCCC",
            "data:image/png;base64,AAAABBBB...",
            id="data-uri",
        ),
    ],
)
def test_an_address_is_shown_without_what_must_not_be_seen(
    reference: str, shown_as: str
) -> None:
    assert shown(reference) == shown_as


def test_a_picture_may_be_joined_of_several_and_a_plain_text_is_as_it_was() -> None:
    assert find_hidden("a plain text, grün ☃ \u2764\ufe0f") is None
    assert marked("grün ☃ \u2764\ufe0f") == "grün ☃ \u2764\ufe0f"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\U0001f469\u200d\U0001f469\u200d\U0001f467", id="family"),
        pytest.param("\u2764\ufe0f\u200d\U0001f525", id="behind-a-style"),
        pytest.param("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", id="persian"),
    ],
)
def test_a_joiner_within_a_script_or_a_picture_is_not_hidden(text: str) -> None:
    assert find_hidden(text) is None


@pytest.mark.parametrize(
    ("text", "index"),
    [
        pytest.param("a\u200db", 1, id="between-latin-letters"),
        pytest.param("\u0645\u200c.png", 1, id="at-the-end-of-a-name"),
        pytest.param("\u200d\u0645", 0, id="first"),
        pytest.param("\u0645\u200d", 1, id="last"),
        pytest.param("\u0645\u200d\u200d\u0645", 1, id="twice"),
        pytest.param("\u0645\u200b\u0645", 1, id="no-joiner"),
    ],
)
def test_a_joiner_that_joins_nothing_is_hidden(text: str, index: int) -> None:
    assert find_hidden(text) == index


def test_a_drive_letter_is_no_scheme() -> None:
    assert is_local(r"C:\a.png")
    assert not is_local("s3://bucket/a.png")
    assert not is_url("https:/a.example")
