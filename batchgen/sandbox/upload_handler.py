"""Reference images that are uploaded first: kept, and served again under a link."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import partial
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from batchgen.sandbox.faults import Fault
from batchgen.sandbox.multipart import Part
from batchgen.sandbox.purchase_handler import KEY_HEADERS, Service, examine, record_of
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.request_parsing import Form, Sheet, read_key
from batchgen.sandbox.sandbox_context import Workshop
from batchgen.sandbox.state_records import Upload

_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
_NAME = re.compile(r"([0-9a-f]{32})\.(?:png|jpg|webp|bin)")


async def receive(
    shop: Workshop,
    service: Service,
    form: Form,
    request: Request,
    *,
    file: str,
    life_s: float | None,
) -> tuple[Upload, Sheet]:
    """Keep the file of an upload request; it is not charged and no purchase.

    Args:
        shop: Keeps it.
        service: Whose endpoint was asked.
        form: What the endpoint takes; its field `file` is a list of one file.
        request: What arrived.
        file: Name of the field that holds the file.
        life_s: How long its link is good; None for as long as the sandbox.

    Raises:
        Refusal: Nothing was kept.
    """
    sheet = await examine(form, request)
    key = read_key(request, service.key_header)
    if shop.faults.at_upload(service.name) is Fault.UPLOAD_FAILED:
        raise Refusal(Reason.SERVER_ERROR)
    if sheet.complaint is not None:
        raise sheet.complaint
    part: Part = sheet.body[file][0]
    record = record_of(shop, request, sheet, key)
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
    await shop.remember(shop.state.add_upload, upload)
    return upload, sheet


def upload_link(shop: Workshop, upload: Upload) -> str:
    """Return the link under which an upload is served."""
    extension = _EXTENSIONS.get(upload.media_type, "bin")
    return f"{_prefix(shop, upload.provider)}{upload.id}.{extension}"


async def ended_links(shop: Workshop, provider: str, urls: Sequence[str]) -> list[str]:
    """Return those that look like links of this provider's uploads and are not good."""
    prefix = _prefix(shop, provider)
    ours = [url for url in urls if url.startswith(prefix)]
    return [
        url
        for url in ours
        if await _find(shop, provider, url.removeprefix(prefix)) is None
    ]


def upload_route(shop: Workshop, service: Service) -> Route:
    """Return the route under which a provider's uploads are served."""
    return Route("/uploads/{name}", partial(_serve, shop, service), methods=["GET"])


async def _serve(shop: Workshop, service: Service, request: Request) -> Response:
    if KEY_HEADERS & set(request.headers):
        return Response("Only one auth mechanism allowed", status_code=400)
    upload = await _find(shop, service.name, request.path_params["name"])
    if upload is None:
        return Response("Not found", status_code=404)
    return Response(upload.data, media_type=upload.media_type or None)


async def _find(shop: Workshop, provider: str, name: str) -> Upload | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    upload = await shop.remember(shop.state.find_upload, provider, match[1])
    if upload is None or (upload.ends_at is not None and shop.now() > upload.ends_at):
        return None
    return upload


def _prefix(shop: Workshop, provider: str) -> str:
    return f"{shop.url}/{provider}/uploads/"
