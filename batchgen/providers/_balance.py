"""Read a balance: shared by the providers that state one."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from batchgen.errors import Charge, ReplyMalformed
from batchgen.model import Balance, Json, Reply
from batchgen.providers._decoding import message_of
from batchgen.providers._reply_errors import error_by_status


def balance_in(provider: str, reply: Reply, amount: Json, unit: str = "usd") -> Balance:
    """Return a reply's balance; a number may be written as text.

    Raises:
        AttemptError: the reply is an error, or the amount is none.
    """
    if not 200 <= reply.status < 300:
        raise error_by_status(provider, reply, message_of(reply.body))
    try:
        if isinstance(amount, str | int | Decimal) and not isinstance(amount, bool):
            exact = Decimal(amount)
            if exact.is_finite():
                return Balance(exact, unit)
    except InvalidOperation:
        pass
    message = f"no balance in its reply: {message_of(reply.body)}"
    raise ReplyMalformed(provider, message, Charge.NONE)
