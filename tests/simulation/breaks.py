"""Rules of the engine, each broken on purpose: nights that cannot fail prove nothing.

`python -m tests.simulation --break NAME` lives through nights until a law is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from batchgen.admission import next_step as decide
from batchgen.admission.permit import Permit
from batchgen.admission.run_context import AttemptContext, PriceOf, Run
from batchgen.attempts import charges, finish, purchase
from batchgen.budget import Budget, Reservation
from batchgen.errors import Again, AttemptError, Charge, LinkLost, Refused
from batchgen.ledger import AttemptRecord, Charged, Ledger
from batchgen.limits import ConcurrencyLimiter, Outage, RateLimiter
from batchgen.limits import rate_limiter as departing
from batchgen.model import PriceKey, State
from batchgen.runner import resume

Put = Callable[[Any, str, object], None]
"""How something takes the place of something else: `setattr`, or what undoes it."""


def _unmarked(permit: Permit) -> AttemptContext:
    """Return what sending needs of an attempt context: its attempt has no number."""
    attempt = SimpleNamespace(attempt_id=0, model=permit.queued.planned.model)
    planned = permit.queued.planned
    return cast(
        AttemptContext,
        SimpleNamespace(
            queue=permit.queue,
            part=permit.part,
            request=replace(planned.row.request, resolution=planned.resolution),
            attempt=attempt,
            uploads=None,
        ),
    )


def _send_before_it_is_written(put: Put) -> None:
    mark, send = purchase._mark_sent, purchase._send
    replies: dict[int, object] = {}

    async def send_and_mark(run: Run, permit: Permit) -> AttemptContext | None:
        try:
            replies[id(permit)] = await send(
                run, permit, _unmarked(permit), run.wire.lease()
            )
        except AttemptError as error:
            replies[id(permit)] = error
        return await mark(run, permit)

    async def recall(run: Run, permit: Permit, *_: object) -> object:
        if isinstance(reply := replies.pop(id(permit)), AttemptError):
            raise reply
        return reply

    put(purchase, "_mark_sent", send_and_mark)
    put(purchase, "_send", recall)


def _spend_beyond_the_budget(put: Put) -> None:
    async def reserve(self: Budget, reservation: Reservation) -> Reservation:
        self.hold(reservation)
        return reservation

    put(Budget, "reserve", reserve)


def _reserve_half(put: Put) -> None:
    ceiling = Budget.ceiling

    def half(self: Budget, price_key: PriceKey) -> int | None:
        whole = ceiling(self, price_key)
        return None if whole is None else whole // 2

    put(Budget, "ceiling", half)


def _take_unknown_for_free(put: Put) -> None:
    charge_of = charges.charge_of_failure

    def charge(
        price_of: PriceOf, context: AttemptContext, error: AttemptError
    ) -> Charged:
        charged = charge_of(price_of, context, error)
        return Charged(Charge.NONE, 0) if charged[0] is Charge.UNKNOWN else charged

    put(finish, "charge_of_failure", charge)


def _buy_unknown_without_end(put: Put) -> None:
    follows = decide._after_unknown

    def after(
        history: Sequence[AttemptRecord], policy: decide.Policy
    ) -> decide.Decision:
        return follows(history, replace(policy, max_unknown=1000))

    put(decide, "_after_unknown", after)


def _forget_tasks(put: Put) -> None:
    adopt = resume._adopt

    def adopt_and_forget(ledger: Ledger, *others: Any) -> int:
        for attempt in ledger.open_attempts():
            if attempt.state is State.ACCEPTED:
                resume._forget_answer(ledger, attempt, others[-1])
        return adopt(ledger, *others)

    put(resume, "_adopt", adopt_and_forget)


def _count_when_granted(put: Put) -> None:
    def record_sent(self: RateLimiter, at: float) -> None:
        self._granted -= 1

    put(RateLimiter, "record_sent", record_sent)


BREAKS: Mapping[str, Callable[[Put], None]] = {
    "sent-before-it-is-written": _send_before_it_is_written,
    "budget-ignored": _spend_beyond_the_budget,
    "half-reserved": _reserve_half,
    "unknown-is-free": _take_unknown_for_free,
    "unknown-without-end": _buy_unknown_without_end,
    "tasks-forgotten": _forget_tasks,
    "images-not-adopted": lambda put: put(resume, "_adopt", lambda *_: 0),
    "minute-forgotten": lambda put: put(RateLimiter, "seed", lambda *_: None),
    "counted-when-granted": _count_when_granted,
    "no-margin": lambda put: put(departing, "MARGIN_S", 0.0),
    "places-without-end": lambda put: put(ConcurrencyLimiter, "slots", 1000),
    "refused-again": lambda put: put(Refused, "default_again", Again.LATER),
    "lost-link-bought-again": lambda put: put(LinkLost, "default_again", Again.LATER),
    "outage-uses-rows-up": lambda put: put(
        Outage, "waives_failures", property(lambda _: False)
    ),
}
