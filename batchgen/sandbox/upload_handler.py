"""Uploaded reference images: stored, and served under a link."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from batchgen.sandbox.faults import UPLOAD_FAULTS
from batchgen.sandbox.multipart import Part
from batchgen.sandbox.purchase_handler import (
    KEY_HEADERS,
    Service,
    read_request,
    record_of,
)
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.request_parsing import BodySpec, read_key
from batchgen.sandbox.sandbox_context import SandboxContext
from batchgen.sandbox.state_records import Upload

_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
_NAME = re.compile(r"([0-9a-f]{32})\.(?:png|jpg|webp|bin)")


async def receive_upload(
    context: SandboxContext,
    service: Service,
    spec: BodySpec,
    request: Request,
    *,
    life_s: float | None,
) -> Upload:
    """Store the file of an upload request, which is free.

    The form has the file in its field `file`, a list of one. Without `life_s`, the link
    is valid for as long as the sandbox runs.

    Raises:
        Refusal: Nothing was stored.
    """
    parsed = await read_request(spec, request)
    key = read_key(request, service.key_header)
    if context.faults.pop_queued(service.name, UPLOAD_FAULTS):
        raise Refusal(Reason.SERVER_ERROR)
    if parsed.violation is not None:
        raise parsed.violation
    part: Part = parsed.body["file"][0]
    record = record_of(context, request, parsed, key)
    upload = Upload(
        id=uuid4().hex,
        provider=service.name,
        at=record.at,
        ends_at=None if life_s is None else record.at + life_s,
        file_name=part.file_name,
        media_type=part.media_type,
        size_bytes=len(part.data),
        sha256=hashlib.sha256(part.data).hexdigest(),
        record=record.body,
        data=part.data,
    )
    await context.transact(context.state.add_upload, upload)
    return upload


def upload_link(context: SandboxContext, upload: Upload) -> str:
    """Return the link under which an upload is served."""
    extension = _EXTENSIONS.get(upload.media_type, "bin")
    return f"{_prefix(context, upload.provider)}{upload.id}.{extension}"


async def has_ended_link(context: SandboxContext, provider: str, body: Any) -> bool:
    """Say whether any field has the link of an upload that is not valid any more."""
    prefix = _prefix(context, provider)
    for text in _texts(body):
        name = text.removeprefix(prefix)
        if name != text and await _find(context, provider, name) is None:
            return True
    return False


def upload_route(context: SandboxContext, service: Service) -> Route:
    """Return the route under which a provider's uploads are served."""
    return Route("/uploads/{name}", partial(_serve, context, service), methods=["GET"])


async def _serve(
    context: SandboxContext, service: Service, request: Request
) -> Response:
    if KEY_HEADERS & set(request.headers):
        return Response("Only one auth mechanism allowed", status_code=400)
    upload = await _find(context, service.name, request.path_params["name"])
    if upload is None:
        return Response("Not found", status_code=404)
    return Response(upload.data, media_type=upload.media_type or None)


def _texts(body: Any) -> Iterator[str]:
    match body:
        case str():
            yield body
        case {**fields}:
            for field in fields.values():
                yield from _texts(field)
        case [*items]:
            for item in items:
                yield from _texts(item)
        case _:
            pass


async def _find(context: SandboxContext, provider: str, name: str) -> Upload | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    upload = await context.transact(context.state.find_upload, provider, match[1])
    if upload is None or (
        upload.ends_at is not None and context.now() > upload.ends_at
    ):
        return None
    return upload


def _prefix(context: SandboxContext, provider: str) -> str:
    return f"{context.url}/{provider}/uploads/"
