"""Find the images in a reply, in any known form; one reader for all providers.

Documented places come first, then keys that results often have, then a model's text.
Left out are parts of the request that the reply repeats (references, prompts), and
images that are not results (thumbnails, avatars).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from batchgen.model import Blob, Json, Link
from batchgen.providers._decoding import (
    decode_base64,
    decode_data_uri,
    fields,
    is_page,
    link,
    objects,
)
from batchgen.providers._text_images import (
    Image,
    image_in_base64,
    images_in_text,
    names_image_file,
    unique_images,
)

_DEPTH = 8

# Keys as `_normalized` writes them: lower case, without `_` and `-`.
_BASE64_KEYS = (
    *("b64json", "base64", "b64", "imagebase64", "imageb64", "b64image"),
    *("base64image", "imagedata", "bytesbase64encoded", "imagebytes"),
    *("binarydatabase64", "base64data", "b64data", "base64images", "b64images"),
)
_URL_KEYS = ("url", "urls", "fileurl", "fileuri", "uri", "uris")
# Tried in this order; the first key of an object with images wins, because an object
# may have two keys for one image.
_RESULT_KEYS = (
    # First, keys that no request has: beside them, the request may be repeated.
    *("outputurl", "outputurls", "resulturl", "resulturls", "resultimageurl"),
    *("resultimageurls", "outputimages", "outputimage", "resultimages", "resultimage"),
    *("generatedimages", "generatedimage", "outputimageurl", "outputimageurls"),
    *("imageurl", "imageurls", "imgurl", "imgurls", "imageuri", "imageuris"),
    *("imagesurls", "downloadurl", "downloadurls", "imagelink", "imagelinks"),
    *("generatedimageurls", "mediaurl", "mediaurls", "publicurl", "signedurl"),
    *("cdnurl", "inlinedata", "filedata", "images", "image", "imgs", "img"),
    *("pictures", "picture"),
    *("output", "outputs", "result", "results", "resultjson", "artifacts", "files"),
    *("file", "generations", "predictions", "creations", "media", "data", "response"),
    *("links", "link", "src", "content", "sample", "samples", "body", "payload"),
)
# Keys that requests have, too: beside a prompt, they repeat the request.
_ALSO_REQUEST_KEYS = frozenset(
    {"imageurl", "imageurls", "images", "image", "imgurl", "imgurls", "files", "file"}
)
_RANKS = {
    key: rank for rank, key in enumerate((*_BASE64_KEYS, *_URL_KEYS, *_RESULT_KEYS))
}
_PROMPT_KEYS = frozenset({"prompt", "negativeprompt"})
# Keys whose values are never results.
_NOT_RESULTS = frozenset(
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
    return unique_images(
        image for place in places for image in _images_of(place, _DEPTH)
    )


def images_in(body: Json, *places: Json, may_echo: bool = False) -> tuple[Image, ...]:
    """Return the images of a reply that should have some: a success, a finished task.

    Args:
        body: The whole body.
        places: The documented places of images.
        may_echo: Whether the top level may repeat fields of the request.
    """
    images = images_at(*places)
    if not images and isinstance(body, Blob | list | str):
        images = (
            images_at(body) if not isinstance(body, str) else _images_of_body_text(body)
        )
    if not images and isinstance(body, dict):
        top = {**body, "prompt": body.get("prompt") or "?"} if may_echo else body
        images = unique_images(_search_images(top, _DEPTH))
    return images or images_in_text(*_model_texts(body, _DEPTH))


def _normalized(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "")


def _images_of(value: Json, depth: int) -> Iterator[Image]:
    """Yield the images of a value in a place for images."""
    if isinstance(value, Blob):
        if value.data:
            yield value
    elif isinstance(value, str):
        yield from _images_of_text(value, depth)
    elif isinstance(value, list) and depth:
        for item in value:
            yield from _images_of(item, depth - 1)
    elif isinstance(value, dict) and depth:
        yield from _images_of_object(value, depth - 1)


def _images_of_text(text: str, depth: int) -> Iterator[Image]:
    """Yield the images that a text encodes: base64, a data URI, a link, or JSON."""
    if text[:5].lower() == "data:":
        blob = decode_data_uri(text.strip())
        if blob is not None and blob.data:
            yield blob
    elif (blob := image_in_base64(text)) is not None:
        yield blob
    elif (url := link(text)) is not None:
        yield url
    elif depth and text[:1] in {"{", "["}:
        # Some services put the result into a text of JSON (`resultJson`).
        try:
            inner: Json = json.loads(text)
        except (ValueError, RecursionError):
            return
        yield from _images_of(inner, depth - 1)


def _images_of_object(item: dict[str, Json], depth: int) -> Iterator[Image]:
    """Yield the images under the first key of an object that has some."""
    by_key = {_normalized(key): value for key, value in item.items() if value}
    if by_key.keys() & _PROMPT_KEYS:
        by_key = {
            key: value
            for key, value in by_key.items()
            if key not in _ALSO_REQUEST_KEYS or _are_objects(value)
        }
    for key in sorted(by_key.keys() & _RANKS.keys(), key=_RANKS.__getitem__):
        value: Json = by_key[key]
        if key in _BASE64_KEYS and isinstance(value, str) and ":" not in value[:100]:
            value = decode_base64(value)
        # An object may have `url` for the first image and `urls` for all.
        values = (
            [by_key.get(name) for name in _URL_KEYS] if key in _URL_KEYS else [value]
        )
        if images := [image for each in values for image in _images_of(each, depth)]:
            yield from images
            return
    # A text that is only a data URI was decoded to bytes already.
    if isinstance(text := by_key.get("text"), Blob):
        yield text


def _are_objects(value: Json) -> bool:
    """Return whether a value is one or more objects: in requests, images are texts."""
    items: list[Json] = value if isinstance(value, list) else [value]
    return bool(items) and len(objects(items)) == len(items)


def _search_images(holder: dict[str, Json], depth: int) -> Iterator[Image]:
    """Yield images under keys of results, here or deeper, without repeated requests."""
    images = list(_images_of_object(_without_request_fields(holder, depth), depth))
    for key, value in holder.items():
        if images or not depth:
            break
        # In a chat, the message is an object with the result.
        if _normalized(key) in _NOT_RESULTS and not (
            key == "message" and fields(value)
        ):
            continue
        for inner in (value, *objects(value)):
            if not images and isinstance(inner, dict):
                images = list(_search_images(inner, depth - 1))
    yield from images


def _without_request_fields(holder: dict[str, Json], depth: int) -> dict[str, Json]:
    # At the top level, `url` is a result only without a message or status beside it, or
    # if it ends as an image file does; otherwise it may lead to a web page.
    names = {_normalized(key) for key in holder}
    is_top = depth == _DEPTH
    is_alone = is_top and not names & {"message", "msg", "code", "status"}

    def may_hold_image(name: str, value: Json) -> bool:
        return name not in _URL_KEYS or is_alone or (is_top and _names_images(value))

    return {
        key: value
        for key, value in holder.items()
        if (name := _normalized(key)) in _PROMPT_KEYS
        or (name not in _NOT_RESULTS and may_hold_image(name, value))
    }


def _names_images(value: Json) -> bool:
    """Return whether a value is a link to an image file, or a list of such links."""
    items = value if isinstance(value, list) else [value]
    texts = [item for item in items if isinstance(item, str)]
    are_files = all(names_image_file(text.strip()) for text in texts)
    return bool(texts) and len(texts) == len(items) and are_files


def _images_of_body_text(text: str) -> tuple[Image, ...]:
    """Return the image of a body that is only base64, a data URI, or a link."""
    stripped = text.strip()
    if stripped[:1] in {"{", "[", "<", "/"} or any(c.isspace() for c in stripped[:300]):
        return ()
    return tuple(
        Link(image.url, from_text=True) if isinstance(image, Link) else image
        for image in images_at(stripped)
    )


def _model_texts(body: Json, depth: int) -> Iterator[str]:
    """Yield the texts that a model wrote: in parts, in chats, and the body itself."""
    if isinstance(body, str):
        if not is_page(body):
            yield body
        return
    if isinstance(body, list) and depth:
        for item in body:
            if not isinstance(item, str):
                yield from _model_texts(item, depth - 1)
        return
    for key, value in fields(body).items():
        is_text = key in {"text", "output_text"} or _normalized(key) in _RANKS
        if is_text and isinstance(value, str):
            yield value
        elif depth and key in _MODEL_TEXT_KEYS and isinstance(value, dict | list):
            yield from _model_texts(value, depth - 1)


_MODEL_TEXT_KEYS = frozenset(
    {
        *("candidates", "content", "parts", "choices", "message", "output", "data"),
        *("response", "result", "delta"),
    }
)
