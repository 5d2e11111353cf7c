"""Decode a reply again without the parts that repeat its own request.

An error that quotes a prompt about "insufficient credits" says nothing about credit,
and a link that was in the request is a reference, not a result. The second decoding
counts only where it differs from the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeVar

from batchgen.admission.run_context import AttemptContext
from batchgen.errors import AttemptError
from batchgen.model import Delivered, Json, Link, Reply

T = TypeVar("T")

_WORD = re.compile(r"\w+")
_MIN_WORDS = 3  # fewer words of a prompt are in any error by chance
_SURE_WORDS = 5  # so many words prove a quoted prompt, cut or escaped
_MIN_LETTERS = 12  # for a prompt in a script without spaces
_MAX_CHARACTERS = 20_000  # longer texts are not searched
_MAX_DEPTH = 12
_MARK = "[prompt]"


def read_without_echoes(
    context: AttemptContext, reply: Reply, decode: Callable[[Reply], T]
) -> T:
    """Return a decoded reply, without the parts that repeat its own request.

    Raises:
        AttemptError: as `decode` does.
    """
    try:
        outcome = decode(reply)
    except AttemptError as error:
        prompt = context.request.prompt
        body = _mapped(reply.body, lambda text: _without_prompt(text, prompt))
        if body == reply.body:
            raise
        second = _error_of(replace(reply, body=body), decode)
        if second is None or type(second) is type(error):
            raise
        raise second from error
    own = {*context.request.references, *(context.uploads or ())}
    if not _delivers_any(outcome, own):
        return outcome
    body = _mapped(reply.body, lambda text: _without_links(text, own))
    return decode(replace(reply, body=body))


def _error_of(reply: Reply, decode: Callable[[Reply], T]) -> AttemptError | None:
    try:
        decode(reply)
    except AttemptError as error:
        return error
    return None


def _delivers_any(outcome: object, own: Collection[str]) -> bool:
    images = outcome.images if isinstance(outcome, Delivered) else ()
    return any(isinstance(image, Link) and image.url in own for image in images)


def _mapped(value: Json, change: Callable[[str], str], depth: int = _MAX_DEPTH) -> Json:
    """Return a copy of a document with changed texts."""
    match value:
        case str():
            return change(value)
        case list() if depth:
            return [_mapped(item, change, depth - 1) for item in value]
        case dict() if depth:
            return {
                key: _mapped(item, change, depth - 1) for key, item in value.items()
            }
        case _:
            return value


def _without_links(text: str, own: Collection[str]) -> str:
    if text.strip() in own:
        return ""
    # A model's text may repeat the links of its request.
    for url in own:
        if url.startswith("http") and url in text:
            text = re.sub(re.escape(url) + r"(?=[\s)>\"']|$)", "", text)
    return text


def _without_prompt(text: str, prompt: str) -> str:
    """Return a text with a mark where it quotes a prompt or the beginning of one."""
    if len(text) > _MAX_CHARACTERS:
        return text
    prompt_words = [match.group().lower() for match in _WORD.finditer(prompt)]
    if len(prompt_words) >= _MIN_WORDS or len(prompt.strip()) >= _MIN_LETTERS:
        text = text.replace(prompt.strip(), _MARK)
    if len(prompt_words) < _MIN_WORDS:
        return text
    matches = [*_WORD.finditer(text)]
    words = [match.group().lower() for match in matches]
    enough = min(len(prompt_words), _SURE_WORDS)
    pieces, at, index = [], 0, 0
    while index <= len(words) - enough:
        if words[index : index + enough] != prompt_words[:enough]:
            index += 1
            continue
        size = enough
        while size < len(prompt_words) and words[index + size : index + size + 1] == [
            prompt_words[size]
        ]:
            size += 1
        pieces += [text[at : matches[index].start()], _MARK]
        index += size
        at = matches[index - 1].end()
    return "".join((*pieces, text[at:]))
