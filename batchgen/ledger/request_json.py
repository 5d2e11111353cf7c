"""How a request is stored in the ledger: as JSON, without its default values."""

from __future__ import annotations

import json

from batchgen.model import ImageRequest

_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_value_at = json.JSONDecoder().raw_decode
_PROMPT = '{"prompt":'
"""The beginning of `dump_request`: the prompt after that can be read alone."""


def dump_request(request: ImageRequest) -> str:
    """Write a request as JSON, without its default values."""
    fields: dict[str, object] = {"prompt": request.prompt}
    if request.references:
        fields["references"] = list(request.references)
    for name in ("aspect_ratio", "resolution", "model"):
        if (value := getattr(request, name)) is not None:
            fields[name] = value
    if request.n != 1:
        fields["n"] = request.n
    if request.options:
        fields["options"] = dict(request.options)
    return _write(fields)


def load_request(text: str) -> ImageRequest:
    """Read a request that `dump_request` wrote."""
    fields = json.loads(text)
    fields["references"] = tuple(fields.get("references", ()))
    return ImageRequest(**fields)


def prompt_of(text: str) -> str:
    """Return the prompt alone of a request that `dump_request` wrote."""
    return str(_value_at(text, len(_PROMPT))[0])


def prompt_as_json(text: str) -> str:
    """Return the prompt as it is stored, a string of JSON."""
    return text[len(_PROMPT) : _value_at(text, len(_PROMPT))[1]]
