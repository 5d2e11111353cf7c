from __future__ import annotations

import base64
import json
from string import ascii_letters, digits
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.wire import Redactor
from batchgen.wire.proxies import Login
from batchgen.wire.redaction import MARK

KEY = "sk-aB3dE6gH8+jK/mN0pQ2sT9f2Z"

keys = st.text(alphabet=ascii_letters + digits + "-_+/=", min_size=16, max_size=40)
texts = st.text(max_size=40)


def runs(key: str) -> list[str]:
    return [key[at : at + 5].lower() for at in range(len(key) - 4)]


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        pytest.param(f"Invalid key: {KEY}.", "Invalid key: [key].", id="whole"),
        pytest.param(f"got {KEY.upper()}", "got [key]", id="case"),
        pytest.param("got sk-aB3dE, no", "got [key], no", id="head"),
        pytest.param("got sk-a...9f2Z", "got [key]...[key]", id="masked-with-dots"),
        pytest.param("got ****9f2Z!", "got ****[key]!", id="masked-tail"),
        pytest.param("got SK-A*** ok", "got [key]*** ok", id="masked-head"),
        pytest.param("got sk-a…f2Z", "got [key]…[key]", id="ellipsis"),
        pytest.param("got sk-axxxx9f2Z", "got [key]xxxx[key]", id="masked-with-x"),
        pytest.param(f"?k={quote(KEY, safe='')}&", "?k=[key]&", id="url-encoded"),
        pytest.param(
            json.dumps({"k": KEY}).replace("/", r"\/"), '{"k": "[key]"}', id="json"
        ),
        pytest.param(
            "".join(f"\\u{ord(each):04x}" for each in KEY), "[key]", id="json-unicode"
        ),
        pytest.param(quote(quote(KEY, safe=""), safe=""), "[key]", id="twice-encoded"),
        pytest.param("the sky is 9 of 2", "the sky is 9 of 2", id="plain-words"),
        pytest.param("İ sk-aB3dE", "İ [key]", id="letter-that-grows-in-lower-case"),
    ],
)
def test_a_key_in_a_providers_words_is_taken_out(text: str, cleaned: str) -> None:
    assert Redactor([KEY]).redact(text) == cleaned


@given(keys, texts, texts, st.data())
def test_no_five_characters_of_a_key_survive(
    key: str, before: str, after: str, data: st.DataObject
) -> None:
    echo = data.draw(st.sampled_from([key, key.upper(), key.swapcase()]))
    start = data.draw(st.integers(0, len(key) - 5))
    end = data.draw(st.integers(start + 5, len(key)))

    cleaned = Redactor([key]).redact(before + echo[start:end] + after).lower()

    assert not [run for run in runs(key) if run in cleaned]


@given(keys, st.sampled_from([3, 4]), st.sampled_from(["****", "...", "…", "•••"]))
def test_no_end_of_a_key_beside_a_mask_survives(key: str, size: int, mask: str) -> None:
    cleaned = Redactor([key]).redact(f"key: {key[:size]}{mask}{key[-size:]} end")

    assert cleaned == f"key: [key]{mask}[key] end"


@given(keys, texts)
def test_an_escaped_key_is_taken_out(key: str, around: str) -> None:
    escaped = quote(key, safe="")

    cleaned = Redactor([key]).redact(f"{around}%20{escaped}%20{around}")

    assert escaped not in cleaned


@given(texts)
def test_without_keys_nothing_changes(text: str) -> None:
    assert Redactor([]).redact(text) == text
    assert Redactor([""]).redact(text) == text


@pytest.mark.parametrize("key", ["local", "none", "EMPTY", "files", "a" * 15])
def test_a_short_key_is_a_placeholder_and_no_secret(key: str) -> None:
    redactor = Redactor([key])

    assert redactor.redact(f"nonetheless {key}") == f"nonetheless {key}"
    assert redactor.redact_id(key) == key
    assert not redactor.holds_key(f"http://localhost/files/{key}.png")
    assert covered(redactor, key.encode()) == key


def covered(redactor: Redactor, content: str | bytes) -> str:
    return b"".join(redactor.mask.pieces(content)).decode()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FORMS = {
    "raw": KEY,
    "case": KEY.upper(),
    "url": quote(KEY, safe=""),
    "twice-in-a-url": quote(quote(KEY, safe=""), safe=""),
    "json": KEY.replace("/", r"\/"),
    "json-in-json": json.dumps(KEY.replace("/", r"\/"))[1:-1],
    "json-unicode": "".join(f"\\u{ord(character):04X}" for character in KEY),
    "html": KEY.replace("+", "&#43;").replace("/", "&#x2F;"),
    "html-whole": "".join(f"&#{ord(character)};" for character in KEY),
    "html-in-html": "".join(f"&amp;#x{ord(character):x};" for character in KEY),
    "of-a-program": "".join(f"\\x{ord(character):02x}" for character in KEY),
    "octal": "".join(f"\\{ord(character):03o}" for character in KEY),
    "braces": "".join(f"\\u{{{ord(character):x}}}" for character in KEY),
    "hexadecimal": KEY.encode().hex(),
    "hexadecimal-parted": KEY.encode().hex(":"),
    "base64": encoded(KEY),
    "basic-auth": encoded(f"{KEY}:"),
    "basic-auth-with-a-name": encoded(f"api:{KEY}"),
    "base64-behind-two": encoded(f"ab{KEY}cd"),
    "base64-for-urls": encoded(f"k={KEY}").translate(str.maketrans("+/", "-_")),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_whole_key_is_overwritten_by_equal_length_in_every_escaping(
    form: str,
) -> None:
    text = f'{{"a": "before {form} after"}}'
    redactor = Redactor([KEY])

    covered_text = covered(redactor, text)

    assert covered(redactor, text.encode()) == covered_text
    assert len(covered_text) == len(text)
    assert covered_text.startswith('{"a": "before ')
    assert covered_text.endswith(' after"}')
    assert "**********" in covered_text
    assert not redactor.holds_key(covered_text)
    assert redactor.holds_key(f"https://x/1.png?k={form}&b=1")


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_whole_key_in_any_escaping_is_taken_out_of_words_and_ids(form: str) -> None:
    redactor = Redactor([KEY])

    cleaned = redactor.redact(f"wrong key {form} here")

    assert cleaned.startswith("wrong key ")
    assert MARK in cleaned
    assert not redactor.holds_key(cleaned)
    assert redactor.redact_id(f"id-{form}") == MARK


def test_a_part_of_a_key_is_left_alone_where_bytes_are_kept() -> None:
    part = KEY[:-1]

    assert covered(Redactor([KEY]), part) == part
    assert not Redactor([KEY]).holds_key(f"https://x/{part}")


def test_several_keys_are_taken_out() -> None:
    keys = ["first-key-of-two", "second-one-of-two"]

    cleaned = Redactor(keys).redact("first-k and second-o")

    assert cleaned == "[key] and [key]"


def test_a_key_that_stands_between_two_windows_of_a_large_body_is_overwritten() -> None:
    before = "é" * (1024 * 1024 - 7)

    for content in (before + KEY + before, (before + KEY + before).encode("latin-1")):
        pieces = b"".join(Redactor([KEY]).mask.pieces(content))

        assert KEY.encode() not in pieces
        assert b"*" * len(KEY) in pieces
        size = len(content.encode() if isinstance(content, str) else content)
        assert len(pieces) == size


LOGINS = {
    "usual": Login("me", "hunter2"),
    "signs": Login("me@shop", "p@ss:w/rd+1"),
    "long": Login("me", "correct-horse-battery"),
    "other-letters": Login("müller", "schlüssel"),
    "token": Login("tok-4711-abc", ""),
}


def echoes(login: Login) -> dict[str, str]:
    """Return how a proxy's login may stand in words of others."""
    pair = f"{login.user}:{login.password}"
    escaped = f"{quote(login.user, safe='')}:{quote(login.password, safe='')}"
    return {
        "url": f"http://{pair}@proxy.example:3128/",
        "escaped-url": f"http://{escaped}@proxy.example:3128/",
        "url-in-a-url": quote(f"http://{escaped}@proxy.example", safe=""),
        "json": json.dumps({"proxy": f"http://{pair}@proxy.example"}),
        "header": f"Proxy-Authorization: Basic {encoded(pair)}",
        "header-in-json": json.dumps({"basic": encoded(pair)}),
        "alone": f"the password {login.secret!r} is wrong",
    }


@pytest.mark.parametrize("kind", [*echoes(LOGINS["usual"])])
@pytest.mark.parametrize("login", LOGINS.values(), ids=LOGINS)
def test_a_proxys_password_is_taken_out_of_words_however_short(
    login: Login, kind: str
) -> None:
    cleaned = Redactor([], [login]).redact(f"no: {echoes(login)[kind]}, sorry")

    assert cleaned.startswith("no: ")
    assert cleaned.endswith(", sorry")
    assert MARK in cleaned
    for secret in (login.secret, quote(login.secret, safe="")):
        assert secret not in cleaned
    assert encoded(f"{login.user}:{login.password}") not in cleaned


@pytest.mark.parametrize("kind", ["url", "escaped-url", "json", "header"])
@pytest.mark.parametrize("login", LOGINS.values(), ids=LOGINS)
def test_a_proxys_login_is_overwritten_by_equal_length_in_what_is_kept(
    login: Login, kind: str
) -> None:
    text = f"no: {echoes(login)[kind]}, sorry"

    text_kept = covered(Redactor([], [login]), text)

    assert login.secret not in text_kept
    assert encoded(f"{login.user}:{login.password}") not in text_kept
    assert len(text_kept.encode()) == len(text.encode()) or "ü" in text
    assert text_kept.startswith("no: ")
    assert text_kept.endswith(", sorry")


@pytest.mark.parametrize("password", ["a", "to", "the"])
def test_a_tiny_password_does_not_destroy_what_others_say(password: str) -> None:
    redactor = Redactor([], [Login("a", password)])
    words = "a page that came to the proxy: data:image/png;base64,YTphdGhl"

    assert redactor.redact(words) == words
    assert covered(redactor, words) == words
    assert MARK in redactor.redact(f"http://a:{password}@proxy")


def test_a_short_password_within_a_word_or_an_id_is_chance() -> None:
    redactor = Redactor([], [Login("me", "files")])

    assert redactor.redact("profiles") == "profiles"
    assert redactor.redact_id("task-files-1") == "task-files-1"
    assert not redactor.holds_key("https://cdn.example/files/1.png")
    assert redactor.holds_key("https://me:files@cdn.example/1.png")
