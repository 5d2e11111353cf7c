"""How a request stands in the ledger: as JSON, what it does not state left out."""

from __future__ import annotations

import json

from batchgen.model import ImageRequest

_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def dump_request(request: ImageRequest) -> str:
    """Write a request as JSON, what it does not state left out."""
    stated: dict[str, object] = {"prompt": request.prompt}
    if request.references:
        stated["references"] = list(request.references)
    for name in ("aspect_ratio", "resolution", "model"):
        if (value := getattr(request, name)) is not None:
            stated[name] = value
    if request.n != 1:
        stated["n"] = request.n
    if request.options:
        stated["options"] = dict(request.options)
    return _write(stated)


def load_request(text: str) -> ImageRequest:
    """Read a request that `dump_request` wrote."""
    stated = json.loads(text)
    stated["references"] = tuple(stated.get("references", ()))
    return ImageRequest(**stated)
