"""What passes for a URL is one for the parser that sends, too; all else is told why."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.addresses.url import join_url, problem_of_url, read_url

SECRET = "hunter2"

ATOMS = (
    *("http://", "https://", "HTTPS://", "//", "/", "\\", ":", "@", "?", "#", "[", "]"),
    *("::1", "fe80::1%eth0", "v1.x", "%", "%00", "%zz", "%2f", "a", "example.com"),
    *("xn--", "xn--a", "127.0.0.1", "0x7f.1", "999.9.9.9", "..", ".", "-", "_"),
    *("ä", "ß", "☃", "\u200b", "\u00a0", "\ufeff", "\u00ad", "\n", "\t", "\0", "\x7f"),
    *("\u2028", "\ud800", "\U0001f468", "\u3002", "|", "{", "<", '"', "'", " ", ","),
    *(";", "&", "+", "80", "0", "65536", "9" * 20, "\u0663", "²", "user", "a" * 70),
)
ODD = st.builds(
    str.__add__,
    st.sampled_from(("https://", "http://", "https://a.example", "http://a.example/")),
    st.lists(st.sampled_from(ATOMS) | st.characters(), max_size=6).map("".join),
)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://a.example/x.png?a=1#b", id="usual"),
        pytest.param("HTTP://A.Example/x.png", id="capitals"),
        pytest.param("https://a.example", id="host-alone"),
        pytest.param("https://images/x.png", id="one-label"),
        pytest.param("https://a.example./x.png", id="root-label"),
        pytest.param("https://a.example:8443/x.png", id="port"),
        pytest.param("https://127.0.0.1/x.png", id="ipv4"),
        pytest.param("https://[2001:db8::1]/x.png", id="ipv6"),
        pytest.param("https://[2001:db8::1]:8443/x.png", id="ipv6-port"),
        pytest.param("https://a_b.example/x.png", id="underscore"),
        pytest.param("https://müller.example/grün 1.png", id="umlauts-and-a-space"),
        pytest.param("https://a.example/a,b;c.png", id="comma"),
        pytest.param("https://a.example/%zz", id="percent"),
        pytest.param("https://a.example/1\ufe0f\u20e3.png", id="keycap"),
        pytest.param(
            "https://a.example/\U0001f469\u200d\U0001f467.png", id="joined-picture"
        ),
        pytest.param("https://a.example/?at=1@2:3", id="at-in-the-query"),
    ],
)
def test_whatever_can_be_fetched_is_taken(url: str) -> None:
    assert problem_of_url(url) is None
    read_url(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param(
            "https://a.example/x\n.png",
            "holds a line break (U+000A) at character 20; delete it",
            id="line-break",
        ),
        pytest.param("https://a.example/\tx", "a tab (U+0009)", id="tab"),
        pytest.param("https://a.example/\x7f", "a control character", id="delete"),
        pytest.param(
            "https://\u200ba.example/x",
            "an invisible character (zero width space, U+200B) at character 9",
            id="zero-width",
        ),
        pytest.param("https://a.example/\u202ex", "right-to-left", id="bidi"),
        pytest.param("https://a.exa\u00admple/x", "soft hyphen", id="soft-hyphen"),
        pytest.param("https://a.example/x\ufeff", "byte order mark", id="bom"),
        pytest.param("https://a.example/\u00a0x", "a no-break space", id="nbsp"),
        pytest.param("https://a.example/\u3000x", "an odd blank", id="wide-space"),
        pytest.param("https://a.example/\u3164x", "hangul filler", id="filler"),
        pytest.param("https://a.example/x\ufe0f", "variation selector", id="selector"),
        pytest.param("https://a.example/?x=\u200b", "at character 22", id="query"),
        pytest.param("https://", "has no host, as in https://", id="no-host"),
        pytest.param("https:///x", "has no host", id="no-host-but-a-path"),
        pytest.param("https://:80/x", "has no host", id="port-alone"),
        pytest.param("https://a.example:abc/x", "the port 'abc'", id="port-in-letters"),
        pytest.param("https://a.example:0/x", "the port '0'", id="port-0"),
        pytest.param("https://a.example:65536/x", "the port '65536'", id="port-65536"),
        pytest.param("https://a.example:\u0663/x", "the port", id="port-in-arabic"),
        pytest.param("https://a.example: 80/x", "the port ' 80'", id="port-with-blank"),
        pytest.param("https://a..example/x", "the host 'a..example'", id="empty-label"),
        pytest.param("https://.example/x", "the host '.example'", id="first-label"),
        pytest.param(f"https://{'a' * 64}.example", "the host 'aaa", id="long-label"),
        pytest.param(f"https://{'a.' * 127}example", "the host 'a.a", id="long-host"),
        pytest.param("https://a b.example/x", "the host 'a b.example'", id="blank"),
        pytest.param("https://a%41.example/x", "the host 'a%41", id="percent-host"),
        pytest.param("https://999.1.1.1/x", "the host '999.1.1.1'", id="ipv4"),
        pytest.param("https://[zz]/x", "the host '[zz]'", id="ipv6"),
        pytest.param("https://[::1/x", "the host '[::1'", id="half-a-bracket"),
        pytest.param("https://xn--a/x", "the host 'xn--a'", id="idna-that-fails"),
        pytest.param("https://☃.example/x", "the host '☃.example'", id="idna-refused"),
        pytest.param(r"https://a.example\x.png", "a backslash", id="backslash-host"),
        pytest.param(r"https://a.example/x\y.png", "a backslash", id="backslash"),
        pytest.param(
            "https://a.example/x https://a.example/y",
            "holds a second URL at character 21; part them with |",
            id="two-with-a-blank",
        ),
        pytest.param(f"https://a.example/{'x' * 20_000}", "too long (20,0", id="long"),
        pytest.param(f"https://a.example/{'ä' * 9000}", "too long (54,0", id="escaped"),
    ],
)
def test_whatever_cannot_be_fetched_is_told_with_what_to_do(
    url: str, words: str
) -> None:
    problem = problem_of_url(url)

    assert problem is not None
    assert words in problem
    assert problem.isprintable()


@pytest.mark.parametrize(
    "url", [f"https://me:{SECRET}@a.example/x", f"https://{SECRET}@a.example:1/x"]
)
def test_a_password_is_refused_and_not_repeated(url: str) -> None:
    problem = problem_of_url(url)

    assert problem is not None
    assert "must not stand in a table" in problem
    assert SECRET not in problem


@given(text=ODD)
@settings(max_examples=1000, deadline=None)
def test_what_passes_can_be_read_by_the_parser_that_sends(text: str) -> None:
    problem = problem_of_url(text)

    if problem is None:
        url = read_url(text)
        assert url.host
        assert url.scheme in ("http", "https")
        assert url.port is None or 0 < url.port < 65536
        assert not url.userinfo
    else:
        assert problem.isprintable()


@given(text=ODD | st.lists(st.sampled_from(ATOMS), max_size=6).map("".join))
@settings(max_examples=1000, deadline=None)
def test_reading_foreign_text_raises_one_error_alone(text: str) -> None:
    for read in (
        read_url,
        lambda text: join_url(httpx.URL("https://a.example/b"), text),
    ):
        try:
            url = read(text)
        except httpx.InvalidURL:
            continue
        assert url.copy_with(scheme="https").host == url.host
