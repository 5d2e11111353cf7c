"""Read the values in replies: texts, numbers, links and base64."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import unquote_to_bytes

import pybase64

from batchgen.model import Blob, Json, Link


def fields(value: Json) -> dict[str, Json]:
    """Return the fields of an object; an empty dict for any other value."""
    return value if isinstance(value, dict) else {}


def objects(value: Json) -> list[dict[str, Json]]:
    """Return the objects of an array; an empty list for any other value."""
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]


def number(value: Json) -> Decimal | None:
    """Return a finite number that is not negative, else None."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    exact = Decimal(value)
    return exact if exact.is_finite() and exact >= 0 else None


_MAX_URL_LENGTH = 8_000
_RELATIVE = re.compile(
    r"//?[^\s/][^\s]*|[\w.-][\w./-]*\.(?:png|jpe?g|webp|gif|avif)(?:\?\S*)?",
    re.IGNORECASE,
)


def link(value: Json) -> Link | None:
    """Return a link if the value is a URL for a download, else None.

    A relative URL counts if it is a path, or a name that ends as an image file does.
    """
    url = value.strip() if isinstance(value, str) else ""
    if len(url) > _MAX_URL_LENGTH or not url.isprintable():
        return None
    is_url = url.lower().startswith(("https://", "http://")) or _RELATIVE.fullmatch(url)
    return Link(url) if is_url else None


# Under these keys errors quote the request, which says nothing about the cause.
_REQUEST_KEYS = frozenset({"input", "prompt", "ctx"})


def text_of(value: Json, depth: int = 6) -> str:
    """Return the texts in a value on one line, the message first; no numbers.

    Unprintable characters are removed: the line goes to terminals, SQLite and Parquet.
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
        if key not in _REQUEST_KEYS
    }
    message = texts.pop("message", "") or texts.pop("msg", "")
    rest = ", ".join(f"{key}: {text}" for key, text in texts.items() if text)
    return f"{message} ({rest})" if message and rest else message or rest


# `detail` is FastAPI's; `msg` and `error_message` occur at Chinese gateways.
_MESSAGE_KEYS = (
    *("message", "error", "details", "detail", "msg", "errors", "error_message"),
    *("error_msg", "errorMessage", "err_msg", "fail_reason", "failure_reason"),
)
_CODE_KEYS = ("code", "type", "status", "error_code", "error_type", "reason")


def stated_message(body: Json) -> str:
    """Return an error's message from the usual keys; empty if it has none."""
    document = fields(body)
    texts = (text_of(document.get(key)) for key in _MESSAGE_KEYS)
    return one_line("; ".join(dict.fromkeys(filter(None, texts))), 1000)


def message_and_codes(body: Json) -> str:
    """Return an error's message and codes, in which causes are looked for."""
    document = fields(body)
    codes = (text_of(document.get(key)) for key in _CODE_KEYS)
    return "; ".join(filter(None, (stated_message(body), *codes)))


def errors_of_items(value: Json, depth: int = 4) -> list[str]:
    """Return messages and codes of the errors within the items of a reply."""
    if isinstance(value, list):
        return [error for item in value for error in errors_of_items(item, depth)]
    if not isinstance(value, dict) or not depth:
        return []
    error = value.get("error")
    own = [message_and_codes({"error": error}) or text_of(error)] if error else []
    nested = [item for key, item in value.items() if key != "error"]
    return [*filter(None, own), *errors_of_items(nested, depth - 1)]


BESIDE_IMAGES = frozenset(
    {"revised_prompt", "mime_type", "content_type", "index", "type", "text", "message"}
)
"""Keys beside an image whose values are not images."""


def states_no_image(body: Mapping[str, Json]) -> bool:
    """Return whether a success in OpenAI's format clearly has no image.

    It has text, or an empty list, in place of images. Null and entries with only text
    count as empty. Any other reply is outside the protocol, and may contain an image in
    an unknown form.
    """
    items = [] if body.get("data") is None else body["data"]
    is_empty = isinstance(items, list) and all(
        isinstance(item, dict)
        and not any(value for key, value in item.items() if key not in BESIDE_IMAGES)
        for item in items
    )
    return ("data" in body and is_empty) or bool(stated_message(dict(body)))


# In Google's candidates, and in the choices of a chat.
_FINISH_KEYS = (
    *("finishReason", "finish_reason", "finishMessage", "finish_message", "refusal"),
    *("native_finish_reason", "blockReason", "block_reason"),
)
_FINISH_PARENTS = (
    *("candidates", "choices", "message", "promptFeedback", "prompt_feedback"),
)


def finish_reasons(body: Json, depth: int = 4) -> str:
    """Return why a model stopped, as its answer states it; empty if not stated."""
    parts = [text_of(fields(body).get(key)) for key in _FINISH_KEYS]
    inner = (fields(body).get(key) for key in _FINISH_PARENTS)
    for value in inner if depth else ():
        items = value if isinstance(value, list) else [value]
        parts += [finish_reasons(fields(item), depth - 1) for item in items]
    reasons = "; ".join(dict.fromkeys(filter(None, parts)))
    is_outer = depth == 4 and bool(reasons)
    return one_line(f"finish reason: {reasons}", 1000) if is_outer else reasons


def message_of(body: Json) -> str:
    """Return an error's message, else a description of the reply; never empty."""
    return stated_message(body) or describe(body)


_PAGE_START = 4096

PAGE_TITLED = "a web page: "
"""The start of the description of a web page; its title follows."""


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
    """Return the title of a web page; empty if the page has none."""
    match = _TITLE.search(page[:_PAGE_START])
    return one_line(match[1], 100) if match else ""


def one_line(text: str, limit: int) -> str:
    """Return a text as one printable line of at most so many characters."""
    printable = "".join(c if c.isprintable() else " " for c in text[: 4 * limit])
    return " ".join(printable.split())[:limit]


def is_page(body: Json) -> bool:
    """Return whether a body is a web page; an SVG image is not.

    The text of a page ("you have been blocked") says nothing about the prompt, the key
    or the balance.
    """
    if not isinstance(body, str):
        return False
    start = body[:500].lstrip().lower()
    return start.startswith("<") and "<svg" not in start


_TO_STANDARD_ALPHABET = str.maketrans("-_", "+/")


def decode_base64(text: str) -> Blob | None:
    """Return decoded base64; None if the text is empty or not base64.

    Data URIs, wrong padding, line breaks and the alphabet for URLs (RFC 4648, section
    5) are accepted, too: an image that was paid for must not be lost for its form.
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
    return "".join(text.split()).rstrip("=").translate(_TO_STANDARD_ALPHABET)


def decode_data_uri(uri: str) -> Blob | None:
    """Return the content of a data URI; None if it cannot be read."""
    head, comma, payload = uri.partition(",")
    if head.lower().endswith(";base64"):
        return decode_base64(unquote_to_bytes(payload).decode("ascii", "replace"))
    return Blob(unquote_to_bytes(payload)) if comma and payload else None
