"""Find the images in a reply, in whatever shape they come: one reader for everybody.

Documented places first, then keys that results are known to have, a model's text last.
What a reply echoes of its request (references, prompts) and pictures that are none of
the results (thumbnails, avatars) are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from batchgen.decoding import (
    decode_base64,
    decode_data_uri,
    fields,
    is_page,
    link,
    objects,
)
from batchgen.model import Blob, Json, Link

Image = Link | Blob
_DEPTH = 8

# Keys as `_squashed` writes them: lower case, without `_` and `-`.
_BASE64 = (
    *("b64json", "base64", "b64", "imagebase64", "imageb64", "b64image"),
    *("base64image", "imagedata", "bytesbase64encoded", "imagebytes"),
    *("binarydatabase64", "base64data", "b64data", "base64images", "b64images"),
)
_URL = ("url", "urls", "fileurl", "fileuri", "uri", "uris")
# Those of an object are tried in this order, and the first that holds images wins: an
# object with two names for one image holds one image.
_RESULTS = (
    # Names that no request has come first: an echo may stand beside them.
    *("outputurl", "outputurls", "resulturl", "resulturls", "resultimageurl"),
    *("resultimageurls", "outputimages", "outputimage", "resultimages", "resultimage"),
    *("generatedimages", "generatedimage", "outputimageurl", "outputimageurls"),
    *("imageurl", "imageurls", "imgurl", "imgurls", "imageuri", "imageuris"),
    *("imagesurls", "downloadurl", "downloadurls", "imagelink", "imagelinks"),
    *("generatedimageurls", "mediaurl", "mediaurls", "publicurl", "signedurl"),
    *(
        "cdnurl",
        "inlinedata",
        "filedata",
        "images",
        "image",
        "imgs",
        "img",
        "pictures",
        "picture",
    ),
    *("output", "outputs", "result", "results", "resultjson", "artifacts", "files"),
    *("file", "generations", "predictions", "creations", "media", "data", "response"),
    *("links", "link", "src", "content", "sample", "samples", "body", "payload"),
)
# Names that requests have, too: beside a prompt they are an echo of the request.
_REQUEST_TOO = frozenset(
    {"imageurl", "imageurls", "images", "image", "imgurl", "imgurls", "files", "file"}
)
_RANKS = {key: rank for rank, key in enumerate((*_BASE64, *_URL, *_RESULTS))}
_OF_REQUESTS = frozenset({"prompt", "negativeprompt"})
# What never holds a result, whatever stands in it.
_ECHOES = frozenset(
    {
        *("input", "inputs", "request", "prompt", "params", "parameters", "args"),
        *("arguments", "references", "refimages", "referenceimages", "referenceurls"),
        *("inputimage", "inputimages", "inputurls", "imageinput", "sourceimage"),
        *("sourceimages", "initimage", "mask", "maskurl", "thumbnail", "thumbnails"),
        *("thumb", "thumburl", "thumbnailurl", "preview", "previews", "previewurl"),
        *("avatar", "avatarurl", "icon", "logo", "error", "errors", "message", "msg"),
        *("detail", "details", "docs", "documentation", "documentationurl", "helpurl"),
        *("user", "account", "owner", "author", "options", "config", "logs", "usage"),
        *("webhook", "callback", "callbackurl", "statusurl", "responseurl", "tools"),
    }
)


def images_at(*places: Json) -> tuple[Image, ...]:
    """Return the images at documented places, in order, each once."""
    return _once(image for place in places for image in _collect(place, _DEPTH))


def images_in(body: Json, *places: Json, may_echo: bool = False) -> tuple[Image, ...]:
    """Return the images of a reply that surely has some: a success, a finished task.

    Args:
        body: All of it.
        places: Where the provider's documents say that its images are.
        may_echo: Whether what stands at the top may be the request's own fields.
    """
    images = images_at(*places)
    if not images and isinstance(body, Blob | list | str):
        images = images_at(body) if not isinstance(body, str) else _whole_text(body)
    if not images and isinstance(body, dict):
        top = {**body, "prompt": body.get("prompt") or "?"} if may_echo else body
        images = _once(_search(top, _DEPTH))
    return images or images_in_text(*_texts(body, _DEPTH))


def _once(images: Iterable[Image]) -> tuple[Image, ...]:
    """Return images without links that came twice; equal bytes were paid for twice."""
    links: set[str] = set()
    kept: list[Image] = []
    for image in images:
        if isinstance(image, Blob) or image.url not in links:
            kept.append(image)
        if isinstance(image, Link):
            links.add(image.url)
    return tuple(kept)


def _squashed(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "")


def _collect(value: Json, depth: int) -> Iterator[Image]:
    """Yield the images of a value that stands where images belong."""
    if isinstance(value, Blob):
        if value.data:
            yield value
    elif isinstance(value, str):
        yield from _of_text(value, depth)
    elif isinstance(value, list) and depth:
        for item in value:
            yield from _collect(item, depth - 1)
    elif isinstance(value, dict) and depth:
        yield from _of_object(value, depth - 1)


def _of_text(text: str, depth: int) -> Iterator[Image]:
    """Yield what a text stands for: base64 of an image, a data URI, a link, JSON."""
    if text[:5].lower() == "data:":
        blob = decode_data_uri(text.strip())
        if blob is not None and blob.data:
            yield blob
    elif (blob := image_in_base64(text)) is not None:
        yield blob
    elif (url := link(text)) is not None:
        yield url
    elif depth and text[:1] in {"{", "["}:
        # Some put the result into a text of JSON (`resultJson`).
        try:
            inner: Json = json.loads(text)
        except (ValueError, RecursionError):
            return
        yield from _collect(inner, depth - 1)


def _of_object(item: dict[str, Json], depth: int) -> Iterator[Image]:
    """Yield the images of one object: base64 before a link, one key before another."""
    by_key = {_squashed(key): value for key, value in item.items() if value}
    if by_key.keys() & _OF_REQUESTS:
        by_key = {
            key: value
            for key, value in by_key.items()
            if key not in _REQUEST_TOO or _are_objects(value)
        }
    for key in sorted(by_key.keys() & _RANKS.keys(), key=_RANKS.__getitem__):
        value: Json = by_key[key]
        if key in _BASE64 and isinstance(value, str) and ":" not in value[:100]:
            value = decode_base64(value)
        # `url` and `urls` may stand side by side, for the first image and for all.
        values = [by_key.get(name) for name in _URL] if key in _URL else [value]
        if images := [image for each in values for image in _collect(each, depth)]:
            yield from images
            return
    # A text that is nothing but a data URI came as bytes already.
    if isinstance(text := by_key.get("text"), Blob):
        yield text


def _are_objects(value: Json) -> bool:
    """Say whether a value is an object or several: requests name images as texts."""
    items: list[Json] = value if isinstance(value, list) else [value]
    return bool(items) and len(objects(items)) == len(items)


def _search(holder: dict[str, Json], depth: int) -> Iterator[Image]:
    """Yield images under keys of results, here or further in, echoes left out."""
    images = list(_of_object(_without_echoes(holder, depth), depth))
    for key, value in holder.items():
        if images or not depth:
            break
        # In a chat, the message is an object and what was made.
        if _squashed(key) in _ECHOES and not (key == "message" and fields(value)):
            continue
        for inner in (value, *objects(value)):
            if not images and isinstance(inner, dict):
                images = list(_search(inner, depth - 1))
    yield from images


def _without_echoes(holder: dict[str, Json], depth: int) -> dict[str, Json]:
    # A plain `url` outside a container of results is one only if it is all that the
    # reply says, or names a file of an image: beside a message it may lead to a page.
    names = {_squashed(key) for key in holder}
    is_top = depth == _DEPTH
    is_alone = is_top and not names & {"message", "msg", "code", "status"}

    def may_be(name: str, value: Json) -> bool:
        return name not in _URL or is_alone or (is_top and _names_images(value))

    return {
        key: value
        for key, value in holder.items()
        if (name := _squashed(key)) in _OF_REQUESTS
        or (name not in _ECHOES and may_be(name, value))
    }


def _names_images(value: Json) -> bool:
    """Say whether a value is a link to a file of an image, or a list of such links."""
    items = value if isinstance(value, list) else [value]
    texts = [item for item in items if isinstance(item, str)]
    are_files = all(_path(text.strip()).endswith(_ENDINGS) for text in texts)
    return bool(texts) and len(texts) == len(items) and are_files


_STARTS = (
    "iVBORw0KGg",
    "/9j/",
    "R0lGODlh",
    "R0lGODdh",
    "UklGR",
    "Qk0",
    "AAAA",
    "PHN2Zy",
)
_IMAGE_BYTES = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff|GIF8|RIFF....WEBP|BM|....ftyp(?:avif|heic|mif1)|<svg",
    re.DOTALL,
)
_LEAST_BASE64 = 40  # letters; no image is smaller


def image_in_base64(text: str) -> Blob | None:
    """Return the image whose base64 a text is, known by its first bytes; else None."""
    start = text[:80].lstrip()
    if len(text) < _LEAST_BASE64 or not start.startswith(_STARTS):
        return None
    head = decode_base64("".join(start.split())[:32])
    if head is None or not _IMAGE_BYTES.match(head.data):
        return None
    return decode_base64(text.strip())


# A model's text may be long, and repeat itself: no pattern looks twice at one place.
_DATA_URI = re.compile(r"data:image/[\w.+-]+;base64,[A-Za-z0-9+/=_\-]+", re.IGNORECASE)
_PICTURE = re.compile(
    r"!\[[^\[\]]*\]\([ \t]*<?(https?://[^\s)>]+)"
    r"|<img\b[^<>]*?\bsrc=[\"'](https?://[^\"'<>\s]+)",
    re.IGNORECASE,
)
_NAMED_FILE = re.compile(
    r"\]\([ \t]*<?(https?://[^\s)>]+)"
    r"|^[ \t]*<?(https?://[^\s)>\"'\]]+)>?[ \t\r]*$",
    re.IGNORECASE | re.MULTILINE,
)
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif")


def images_in_text(*texts: str) -> tuple[Image, ...]:
    """Return the images that a model's text shows, links marked as such.

    A text that is nothing but an image's base64, data URIs, Markdown or HTML pictures,
    else links to files of images that Markdown names or that have a line of their own.
    """
    alone = (image_in_base64(text) for text in texts)
    if images := _once(blob for blob in alone if blob is not None and blob.data):
        return images
    text = "\n".join(texts)
    blobs = (decode_data_uri(match.group()) for match in _DATA_URI.finditer(text))
    if images := _once(blob for blob in blobs if blob is not None and blob.data):
        return images
    shown = [match[1] or match[2] for match in _PICTURE.finditer(text)]
    named = shown or [
        url
        for match in _NAMED_FILE.finditer(text)
        if _path(url := match[1] or match[2]).endswith(_ENDINGS)
    ]
    links = (link(url) for url in named)
    return _once(Link(each.url, from_text=True) for each in links if each is not None)


def _path(url: str) -> str:
    """Return the path of a URL in lower case; empty where it is none."""
    try:
        return urlsplit(url).path.lower()
    except ValueError:
        return ""


def _whole_text(text: str) -> tuple[Image, ...]:
    """Return what a body of plain text is: base64, a data URI, or a link alone."""
    stripped = text.strip()
    if stripped[:1] in {"{", "[", "<", "/"} or any(c.isspace() for c in stripped[:300]):
        return ()
    return tuple(
        Link(image.url, from_text=True) if isinstance(image, Link) else image
        for image in images_at(stripped)
    )


def _texts(body: Json, depth: int) -> Iterator[str]:
    """Yield the texts that a model wrote: of parts, chats, and the body itself."""
    if isinstance(body, str):
        if not is_page(body):
            yield body
        return
    if isinstance(body, list) and depth:
        for item in body:
            if not isinstance(item, str):
                yield from _texts(item, depth - 1)
        return
    for key, value in fields(body).items():
        is_text = key in {"text", "output_text"} or _squashed(key) in _RANKS
        if is_text and isinstance(value, str):
            yield value
        elif depth and key in _OF_MODELS and isinstance(value, dict | list):
            yield from _texts(value, depth - 1)


_OF_MODELS = frozenset(
    {
        *("candidates", "content", "parts", "choices", "message", "output", "data"),
        *("response", "result", "delta"),
    }
)
