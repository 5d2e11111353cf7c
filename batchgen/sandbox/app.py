"""Put the providers and the sandbox's own pages under one address."""

from __future__ import annotations

from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from batchgen.sandbox.admin import Admin
from batchgen.sandbox.downloads import download_route
from batchgen.sandbox.purchase import Service, path_in
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.services import all_services
from batchgen.sandbox.uploads import upload_route
from batchgen.sandbox.workshop import Workshop


def build_app(shop: Workshop) -> Starlette:
    """Return the application that serves all providers and the bill."""
    services = {name: build(shop) for name, build in all_services().items()}
    admin = Admin(shop, services)
    mounts = [
        Mount(f"/{name}", app=_serve(shop, service))
        for name, service in services.items()
    ]
    routes = [*mounts, Mount("/_sandbox", app=admin.app())]
    app = Starlette(routes=routes, exception_handlers={HTTPException: admin.refuse})
    app.router.redirect_slashes = False
    return app


def _serve(shop: Workshop, service: Service) -> Starlette:
    app = Starlette(
        routes=[
            *service.routes(),
            download_route(shop, service),
            upload_route(shop, service),
        ],
        exception_handlers={HTTPException: partial(_refuse, service)},
    )
    app.router.redirect_slashes = False
    return app


async def _refuse(service: Service, request: Request, error: Exception) -> Response:
    wrong_method = isinstance(error, HTTPException) and error.status_code == 405
    reason = Reason.WRONG_METHOD if wrong_method else Reason.NOT_FOUND
    path = path_in(request)
    return service.refuse(Refusal(reason, f"({request.method} {path})"), path)
