"""Several documents in one reply, as a stream of events brings them, read as one."""

from __future__ import annotations

from dataclasses import replace

from batchgen.decoding import fields, objects
from batchgen.model import Json, Reply
from batchgen.reply_images import images_in


def as_one(reply: Reply) -> Reply:
    """Return a reply whose body is one document, where it came as an array of them.

    Google's errors come as an array of one; a relay answers with events, or with an
    array of chunks, though neither was asked for. An array of images stays one.
    """
    if not isinstance(reply.body, list):
        return reply
    documents = objects(reply.body)
    if len(documents) != len(reply.body) or not documents:
        return reply
    if not any(each.keys() & _ENVELOPE or _is_event(each) for each in documents):
        return reply
    return replace(reply, body=_merged(documents))


_ENVELOPE = frozenset({"candidates", "error", "choices", "data", "detail"})


def _is_event(document: dict[str, Json]) -> bool:
    # `image_generation.completed`: an image's own type has no dot.
    kind = document.get("type")
    return isinstance(kind, str) and "." in kind


def _merged(documents: list[dict[str, Json]]) -> dict[str, Json]:
    """Return the last document that has an image, else the last that has an error.

    What it leaves open is taken from the others: usage and ids may come in a document
    of their own. Chunks of one answer are put together.
    """
    for key in ("candidates", "choices"):
        if any(key in document for document in documents):
            pieces: list[Json] = [
                piece for document in documents for piece in objects(document.get(key))
            ]
            whole = _chat(pieces) if key == "choices" else pieces
            return {**_together(documents), key: whole}
    with_image = [document for document in documents if images_in(document)]
    with_error = [document for document in documents if document.get("error")]
    last = (with_image or with_error or documents)[-1]
    return {**_together(documents), **last}


def _together(documents: list[dict[str, Json]]) -> dict[str, Json]:
    together: dict[str, Json] = {}
    for document in documents:
        together |= {key: value for key, value in document.items() if value is not None}
    return together


def _chat(pieces: list[Json]) -> list[Json]:
    """Return the chunks of a chat as one message."""
    texts: list[str] = []
    images: list[Json] = []
    for piece in pieces:
        holder = fields(piece)
        message = fields(holder.get("delta")) or fields(holder.get("message"))
        if isinstance(text := message.get("content"), str):
            texts.append(text)
        shown = message.get("images")
        images += shown if isinstance(shown, list) else []
    if len(pieces) == 1:
        return pieces
    return [{"message": {"content": "".join(texts), "images": images}}]
