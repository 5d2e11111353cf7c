"""Reading the values that replies are made of: words, numbers, links and base64."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import unquote_to_bytes

import pybase64

from batchgen.model import Blob, Json, Link


def fields(value: Json) -> dict[str, Json]:
    """Return an object's fields; none where the value is no object."""
    return value if isinstance(value, dict) else {}


def objects(value: Json) -> list[dict[str, Json]]:
    """Return the objects of an array; none where the value is no array."""
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]


def number(value: Json) -> Decimal | None:
    """Return a finite number that is not negative, else None."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    exact = Decimal(value)
    return exact if exact.is_finite() and exact >= 0 else None


_LONGEST_URL = 8_000
_RELATIVE = re.compile(
    r"//?[^\s/][^\s]*|[\w.-][\w./-]*\.(?:png|jpe?g|webp|gif|avif)(?:\?\S*)?",
    re.IGNORECASE,
)


def link(value: Json) -> Link | None:
    """Return a URL that can be downloaded from, else None.

    It may be relative: one that names a path, or a file of images by its ending.
    """
    url = value.strip() if isinstance(value, str) else ""
    if len(url) > _LONGEST_URL or not url.isprintable():
        return None
    is_url = url.lower().startswith(("https://", "http://")) or _RELATIVE.fullmatch(url)
    return Link(url) if is_url else None


# Where errors quote the request, whose words are nobody's verdict.
_QUOTES = frozenset({"input", "prompt", "ctx"})


def text_of(value: Json, depth: int = 6) -> str:
    """Return the words in a value on one line, the message first; no numbers.

    Nothing unprintable passes: the line goes to terminals, SQLite and Parquet.
    """
    if isinstance(value, str):
        return one_line(value, 1000)
    if depth == 0 or not isinstance(value, dict | list):
        return ""
    if isinstance(value, list):
        return "; ".join(filter(None, (text_of(item, depth - 1) for item in value)))
    texts = {
        one_line(key, 80): text_of(value[key], depth - 1)
        for key in value
        if key not in _QUOTES
    }
    message = texts.pop("message", "") or texts.pop("msg", "")
    rest = ", ".join(f"{key}: {text}" for key, text in texts.items() if text)
    return f"{message} ({rest})" if message and rest else message or rest


# `detail` is FastAPI's, `msg` and `error_message` stand at Chinese gateways.
_MESSAGE_KEYS = (
    *("message", "error", "details", "detail", "msg", "errors", "error_message"),
    *("error_msg", "errorMessage", "err_msg", "fail_reason", "failure_reason"),
)
_CODE_KEYS = ("code", "type", "status", "error_code", "error_type", "reason")


def words_of(body: Json) -> str:
    """Return an error's own words where they commonly stand; empty if it has none."""
    holder = fields(body)
    texts = (text_of(holder.get(key)) for key in _MESSAGE_KEYS)
    return one_line("; ".join(dict.fromkeys(filter(None, texts))), 1000)


def words_and_codes_of(body: Json) -> str:
    """Return an error's words with the codes beside them, to be searched for causes."""
    holder = fields(body)
    codes = (text_of(holder.get(key)) for key in _CODE_KEYS)
    return "; ".join(filter(None, (words_of(body), *codes)))


def errors_of_items(value: Json, depth: int = 4) -> list[str]:
    """Return the words and codes of errors that stand in items of a reply."""
    if isinstance(value, list):
        return [found for item in value for found in errors_of_items(item, depth)]
    if not isinstance(value, dict) or not depth:
        return []
    error = value.get("error")
    own = [words_and_codes_of({"error": error}) or text_of(error)] if error else []
    nested = [item for key, item in value.items() if key != "error"]
    return [*filter(None, own), *errors_of_items(nested, depth - 1)]


BESIDE_IMAGES = frozenset(
    {"revised_prompt", "mime_type", "content_type", "index", "type", "text", "message"}
)
"""What may stand beside an image, and is none."""


def tells_no_image(body: Mapping[str, Json]) -> bool:
    """Say whether a success in OpenAI's shape has words, or an empty list, for images.

    Null, and entries that hold nothing but words, are as empty. Anything else without
    an image is outside the protocol: it may hold one in a way that nobody knows.
    """
    items = [] if body.get("data") is None else body["data"]
    is_empty = isinstance(items, list) and all(
        isinstance(item, dict)
        and not any(value for key, value in item.items() if key not in BESIDE_IMAGES)
        for item in items
    )
    return ("data" in body and is_empty) or bool(words_of(dict(body)))


# Of Google's candidates, and of the choices of a chat.
_ENDS = (
    *("finishReason", "finish_reason", "finishMessage", "finish_message", "refusal"),
    *("native_finish_reason", "blockReason", "block_reason"),
)
_HAVE_ENDS = (
    *("candidates", "choices", "message", "promptFeedback", "prompt_feedback"),
)


def finish_reasons(body: Json, depth: int = 4) -> str:
    """Return why a model came to its end, as answers say it; empty if they do not."""
    parts = [text_of(fields(body).get(key)) for key in _ENDS]
    inner = (fields(body).get(key) for key in _HAVE_ENDS)
    for value in inner if depth else ():
        items = value if isinstance(value, list) else [value]
        parts += [finish_reasons(fields(item), depth - 1) for item in items]
    reasons = "; ".join(dict.fromkeys(filter(None, parts)))
    is_outer = depth == 4 and bool(reasons)
    return one_line(f"finish reason: {reasons}", 1000) if is_outer else reasons


def message_of(body: Json) -> str:
    """Return an error's own words, else what came in their place; never empty."""
    return words_of(body) or describe(body)


_PAGE_START = 4096

PAGE_TITLED = "a web page: "
"""How a web page is described that has a title, which follows."""


def describe(body: Json) -> str:
    """Return a body in at most 300 characters, for messages."""
    if isinstance(body, dict):
        return one_line(f"keys: {', '.join(sorted(body)) or 'none'}", 300)
    if isinstance(body, list):
        return f"an array of {len(body)}"
    text = body if isinstance(body, str) else repr(body)
    if is_page(body) and (title := page_title(text)):
        return f"{PAGE_TITLED}{title}"
    return one_line(text, 300) or "an empty body"


_TITLE = re.compile(r"<title[^>]*>([^<]{1,200})", re.IGNORECASE)


def page_title(page: str) -> str:
    """Return the title of a web page, empty where it has none."""
    found = _TITLE.search(page[:_PAGE_START])
    return one_line(found[1], 100) if found else ""


def one_line(text: str, limit: int) -> str:
    """Return a text as one printable line of at most so many characters."""
    printable = "".join(c if c.isprintable() else " " for c in text[: 4 * limit])
    return " ".join(printable.split())[:limit]


def is_page(body: Json) -> bool:
    """Say whether a web page came: its words ("you have been blocked") are its own.

    They judge nobody's prompt, key or balance. A drawing in XML is no page.
    """
    if not isinstance(body, str):
        return False
    start = body[:500].lstrip().lower()
    return start.startswith("<") and "<svg" not in start


_OF_URLS = str.maketrans("-_", "+/")


def decode_base64(text: str) -> Blob | None:
    """Return what base64 text stands for; None if it is none, or empty.

    Takes a data URI, wrong padding, line breaks and the letters of URLs (RFC 4648,
    section 5), too: what was paid for is not given up for its form.
    """
    payload = text
    if text.startswith("data:"):
        head, _, payload = text.partition(",")
        if not head.endswith(";base64"):
            return None
    for form in (str, _plain_base64):
        try:
            letters = form(payload)
            padding = "=" * (-len(letters) % 4)
            return Blob(pybase64.b64decode(letters + padding, validate=True)) or None
        except ValueError:
            continue
    return None


def _plain_base64(text: str) -> str:
    return "".join(text.split()).rstrip("=").translate(_OF_URLS)


def decode_data_uri(uri: str) -> Blob | None:
    """Return what a data URI holds; None if it holds nothing readable."""
    head, comma, payload = uri.partition(",")
    if head.lower().endswith(";base64"):
        return decode_base64(unquote_to_bytes(payload).decode("ascii", "replace"))
    return Blob(unquote_to_bytes(payload)) if comma and payload else None
