"""Serve the images behind the links; each is drawn when it is downloaded."""

from __future__ import annotations

import re
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from batchgen.sandbox.broken_replies import CutReply
from batchgen.sandbox.drawing import MEDIA_TYPES
from batchgen.sandbox.faults import Fault, Occasion, roll
from batchgen.sandbox.purchase_handler import KEY_HEADERS, Service
from batchgen.sandbox.sandbox_context import SandboxContext
from batchgen.sandbox.state_records import Picture

_NAME = re.compile(r"([0-9a-f]{32})-(\d{1,9})\.(png|jpg|webp)")


def link_of(context: SandboxContext, picture: Picture) -> str:
    """Return the link that is valid now."""
    name = f"{picture.id}-{picture.link}.{picture.format}"
    return f"{context.url}/{picture.provider}/files/{name}"


def download_route(context: SandboxContext, service: Service) -> Route:
    """Return the route under which a provider's images are served."""
    return Route("/files/{name}", partial(_download, context, service), methods=["GET"])


async def _download(
    context: SandboxContext, service: Service, request: Request
) -> Response:
    # Storage services accept a signed link or a header, never both; and a key must not
    # be sent to them.
    if KEY_HEADERS & set(request.headers):
        return _error(400, "InvalidArgument", "Only one auth mechanism allowed")
    name = _NAME.fullmatch(request.path_params["name"])
    if name is None:
        return _not_found()
    image, link, extension = name.groups()
    picture = await context.transact(context.state.count_download, service.name, image)
    if picture is None or picture.format != extension or int(link) > picture.link:
        return _not_found()
    if picture.link_state == "gone":
        return _gone(picture)
    if int(link) < picture.link or _is_stale(context, service, picture):
        return _error(403, "AccessDenied", "Request has expired")
    return await _serve(context, service, picture)


def _is_stale(context: SandboxContext, service: Service, picture: Picture) -> bool:
    if service.link_life_s is None:
        return picture.link_state == "dead"
    too_old = context.now() > picture.issued_at + service.link_life_s
    return picture.link_state == "dead" or too_old


async def _serve(
    context: SandboxContext, service: Service, picture: Picture
) -> Response:
    fault = context.faults.at_download(
        Occasion(
            provider=picture.provider,
            content=_content(picture),
            occurrence=picture.occurrence,
            number=picture.downloads,
        )
    )
    if fault is Fault.EXPIRED_LINK:
        # Without polls there is no new link: then this link works at the next try.
        if service.renews_links:
            await context.transact(context.state.end_link, picture.id, "dead")
        return _gone(picture)
    if fault is Fault.GONE_LINK:
        await context.transact(context.state.end_link, picture.id, "gone")
        return _gone(picture)
    file = Response(await context.draw(picture), media_type=MEDIA_TYPES[picture.format])
    return CutReply.of(file) if fault is Fault.CUT_DOWNLOAD else file


def _content(picture: Picture) -> str:
    """Return the seed of its faults: different for each image of a purchase."""
    if picture.first is None:
        return picture.content
    return f"{picture.content}/{picture.position}"


def _gone(picture: Picture) -> Response:
    if roll("gone", picture.content) < 0.5:
        return _error(403, "AccessDenied", "Request has expired")
    return _not_found()


def _not_found() -> Response:
    return _error(404, "NoSuchKey", "The specified key does not exist.")


def _error(status: int, code: str, message: str) -> Response:
    text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Response(text, status_code=status, media_type="application/xml")
