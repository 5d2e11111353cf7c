"""The balance of an account: every account of the sandbox starts with a deposit."""

from __future__ import annotations

from starlette.requests import Request

from batchgen.sandbox.purchase_handler import Service
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.request_parsing import read_key
from batchgen.sandbox.sandbox_context import SandboxContext

DEPOSIT_NANO = 1_000_000_000_000
"""A thousand dollars at each provider."""


async def remaining_nano(
    context: SandboxContext, service: Service, request: Request
) -> int:
    """Return the deposit less all charges, in nano-dollars.

    Raises:
        Refusal: The key is wrong, or the request has parameters or a body.
    """
    key = read_key(request, service.key_header)
    if request.query_params or await request.body():
        raise Refusal(Reason.INVALID, "A balance is asked for without parameters")
    if "broke" in key:
        return 0
    charges = await context.transact(context.state.bill, service.name, context.now())
    return max(0, DEPOSIT_NANO - sum(charge.amount_nano for charge in charges))
