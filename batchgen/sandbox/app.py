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
from batchgen.sandbox.purchase_handler import Service, path_in
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.sandbox_context import SandboxContext
from batchgen.sandbox.services import all_services
from batchgen.sandbox.upload_handler import upload_route


def build_app(context: SandboxContext) -> Starlette:
    """Return the application that serves all providers and the bill."""
    services = {name: build(context) for name, build in all_services().items()}
    admin = Admin(context, services)
    mounts = [
        Mount(f"/{name}", app=_serve(context, service))
        for name, service in services.items()
    ]
    routes = [*mounts, Mount("/_sandbox", app=admin.app())]
    app = Starlette(routes=routes, exception_handlers={HTTPException: admin.refuse})
    app.router.redirect_slashes = False
    return app


def _serve(context: SandboxContext, service: Service) -> Starlette:
    app = Starlette(
        routes=[
            *service.routes(),
            download_route(context, service),
            upload_route(context, service),
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
