"""The sandbox's application: its providers, and pages of its own under `/_sandbox`.

Those pages show bill, prices, requests and uploads, and queue faults.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from batchgen.sandbox.downloads import download_route
from batchgen.sandbox.faults import Fault
from batchgen.sandbox.price_table import as_document, as_usd
from batchgen.sandbox.purchase_handler import Service, path_in
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.request_parsing import parse_json
from batchgen.sandbox.sandbox_context import SandboxContext
from batchgen.sandbox.services import all_services
from batchgen.sandbox.state_records import Charge
from batchgen.sandbox.upload_handler import upload_route


class Admin:
    """Answer requests of users and tests to the sandbox itself; no key is needed."""

    def __init__(
        self, context: SandboxContext, services: Mapping[str, Service]
    ) -> None:
        self._context = context
        self._services = services

    def app(self) -> Starlette:
        routes = [
            Route("/bill", self._bill, methods=["GET"]),
            Route("/bill.csv", self._bill_as_csv, methods=["GET"]),
            Route("/tariff", self._show_prices, methods=["GET"]),
            Route("/requests", self._requests, methods=["GET"]),
            Route("/uploads", self._uploads, methods=["GET"]),
            Route("/faults", self._list_faults, methods=["GET"]),
            Route("/faults", self._add_fault, methods=["POST"]),
            Route("/release", self._release, methods=["POST"]),
        ]
        handlers: Any = {HTTPException: self.refuse}
        return Starlette(routes=routes, exception_handlers=handlers)

    async def refuse(self, _request: Request, error: Exception) -> Response:
        """Return an error reply of the sandbox itself."""
        if isinstance(error, HTTPException):
            return JSONResponse({"error": error.detail}, error.status_code)
        return JSONResponse({"error": str(error)}, 500)

    async def _charges(self, request: Request) -> list[Charge]:
        provider = request.query_params.get("provider")
        if provider is not None:
            self._service(provider)
        return await self._context.transact(
            self._context.state.bill, provider, self._context.now()
        )

    async def _bill_as_csv(self, request: Request) -> Response:
        """Export the bill as providers do, so that users can compare it."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["id", "time", "amount", "provider", "resolution", "status"])
        for charge in await self._charges(request):
            amount, time = as_usd(charge.amount_nano), _iso(charge.at)
            place = charge.provider, charge.resolution, charge.status
            writer.writerow([charge.id, time, amount, *place])
        return Response(text.getvalue(), media_type="text/csv")

    async def _bill(self, request: Request) -> Response:
        charges = await self._charges(request)
        total_nano = sum(charge.amount_nano for charge in charges)
        return JSONResponse(
            {
                "total_usd": as_usd(total_nano),
                "total_nano_usd": total_nano,
                "entries": [_entry(charge) for charge in charges],
            }
        )

    async def _show_prices(self, _request: Request) -> Response:
        return JSONResponse(
            as_document(
                {
                    name: (service.price_table, getattr(service, "special_prices", ()))
                    for name, service in self._services.items()
                }
            )
        )

    async def _requests(self, _request: Request) -> Response:
        rows = await self._context.transact(self._context.state.requests)
        return JSONResponse([_request_entry(row) for row in rows])

    async def _uploads(self, _request: Request) -> Response:
        rows = await self._context.transact(self._context.state.uploads)
        return JSONResponse([_upload_entry(row) for row in rows])

    async def _list_faults(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "queued": [
                    {"provider": provider, "fault": fault, "times": times}
                    for provider, fault, times in self._context.faults.queued()
                ],
                "held": self._context.held_replies,
            }
        )

    async def _add_fault(self, request: Request) -> Response:
        match await _json(request):
            case {"provider": str(provider), "fault": str(name), **rest}:
                times = rest.pop("times", 1)
            case _:
                raise HTTPException(400, "Give provider, fault and, if you like, times")
        service = self._service(provider)
        if name not in service.faults:
            names = ", ".join(sorted(service.faults))
            raise HTTPException(
                400, f"{provider} has no fault {name!r}; it has {names}"
            )
        if rest or type(times) is not int or times < 1:
            raise HTTPException(400, "times is a whole number from 1; nothing else")
        self._context.faults.queue(provider, Fault(name), times)
        return await self._list_faults(request)

    async def _release(self, _request: Request) -> Response:
        return JSONResponse({"released": self._context.release_replies()})

    def _service(self, provider: str) -> Service:
        if provider not in self._services:
            names = ", ".join(self._services)
            raise HTTPException(400, f"No provider {provider!r}; there are {names}")
        return self._services[provider]


async def _json(request: Request) -> Any:
    try:
        return await request.json()
    except ValueError as error:
        raise HTTPException(400, f"Invalid JSON: {error}") from error


def _entry(charge: Charge) -> dict[str, Any]:
    return {
        "id": charge.id,
        "provider": charge.provider,
        "time": _iso(charge.at),
        "amount_usd": as_usd(charge.amount_nano),
        "amount_nano_usd": charge.amount_nano,
        "prompt": charge.prompt,
        "resolution": charge.resolution,
        "status": charge.status,
    }


def _request_entry(row: dict[str, Any]) -> dict[str, Any]:
    try:
        body = parse_json(row["body"])
    except ValueError:
        body = row["body"]
    return {
        "provider": row["provider"],
        "number": row["number"],
        "time": _iso(row["at"]),
        "path": row["path"],
        "headers": json.loads(row["headers"]),
        "body": body,
        "outcome": row["outcome"],
    }


def _upload_entry(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "provider": row["provider"],
        "time": _iso(row["at"]),
        "ends_at": None if row["ends_at"] is None else _iso(row["ends_at"]),
        "file_name": row["file_name"],
        "media_type": row["media_type"],
        "size_bytes": row["size_bytes"],
        "sha256": row["sha256"],
        "body": json.loads(row["record"]),
    }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def build_app(context: SandboxContext) -> Starlette:
    """Return the application that serves all providers and the sandbox's own pages."""
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
