"""Join several documents in one reply, such as a stream of events, into one."""

from __future__ import annotations

from dataclasses import replace

from batchgen.model import Json, Reply
from batchgen.providers._decoding import fields, objects
from batchgen.providers._reply_images import images_in


def join_documents(reply: Reply) -> Reply:
    """Return a reply with one document as its body, if the body is an array of them.

    Google's errors come as an array of one; some relays answer with events, or with an
    array of chunks, without being asked. An array of images stays an array.
    """
    if not isinstance(reply.body, list):
        return reply
    documents = objects(reply.body)
    if len(documents) != len(reply.body) or not documents:
        return reply
    if not any(
        document.keys() & _ENVELOPE or _is_event(document) for document in documents
    ):
        return reply
    return replace(reply, body=_merge(documents))


_ENVELOPE = frozenset({"candidates", "error", "choices", "data", "detail"})


def _is_event(document: dict[str, Json]) -> bool:
    # Such as `image_generation.completed`; the type of an image has no dot.
    kind = document.get("type")
    return isinstance(kind, str) and "." in kind


def _merge(documents: list[dict[str, Json]]) -> dict[str, Json]:
    """Return the last document that has an image, else the last that has an error.

    Missing fields come from the other documents: usage and ids may have a document of
    their own. Chunks of one answer are joined.
    """
    for key in ("candidates", "choices"):
        if any(key in document for document in documents):
            pieces: list[Json] = [
                piece for document in documents for piece in objects(document.get(key))
            ]
            joined = _chat(pieces) if key == "choices" else pieces
            return {**_merge_fields(documents), key: joined}
    with_image = [document for document in documents if images_in(document)]
    with_error = [document for document in documents if document.get("error")]
    return _merge_fields(documents) | (with_image or with_error or documents)[-1]


def _merge_fields(documents: list[dict[str, Json]]) -> dict[str, Json]:
    merged: dict[str, Json] = {}
    for document in documents:
        merged |= {key: value for key, value in document.items() if value is not None}
    return merged


def _chat(pieces: list[Json]) -> list[Json]:
    """Return the chunks of a chat as one message."""
    texts: list[str] = []
    images: list[Json] = []
    for piece in pieces:
        holder = fields(piece)
        message = fields(holder.get("delta")) or fields(holder.get("message"))
        if isinstance(text := message.get("content"), str):
            texts.append(text)
        message_images = message.get("images")
        images += message_images if isinstance(message_images, list) else []
    if len(pieces) == 1:
        return pieces
    return [{"message": {"content": "".join(texts), "images": images}}]
