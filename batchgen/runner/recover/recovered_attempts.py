"""Make attempts of the ledger from lines of the table, from the log, or from a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from batchgen.errors import Again, Charge
from batchgen.ledger import AttemptRecord, Ledger
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.ledger.outstanding import planned_sales
from batchgen.model import (
    Basis,
    Job,
    PriceKey,
    PriceList,
    State,
    find_price,
    micros_of,
    to_nano,
)
from batchgen.output.reading import TableRow
from batchgen.providers.base import Provider
from batchgen.runner.recover.run_log import (
    MAX_ID,
    LoggedAttempt,
    again_in,
    charge_in,
    number_in,
)

MAX_IMAGES = 1000
"""Maximum of one purchase: an edited file may contain any number [assumed]."""

_AGAIN = {
    State.UNKNOWN: Again.LATER,
    State.REJECTED: Again.LATER,
    State.FAILED: Again.LATER,
}
TASK_STATES = (State.ACCEPTED, State.OVERDUE, State.DELIVERED)
"""States in which a task may still deliver."""


def micros_in(row: TableRow, column: str) -> int | None:
    """Return a time in a line of a table in microseconds UTC since 1970."""
    return row[column] and micros_of(row[column])


def nano_in(row: TableRow, column: str) -> int | None:
    """Return an amount in a line of a table in nano-dollars."""
    usd = row[column]
    return None if usd is None else to_nano(usd)


def attempt_in_table(row: TableRow, row_id: int, base_url: str) -> AttemptRecord:
    """Return the attempt in a line of the table.

    Args:
        row: The line.
        row_id: Its row in the ledger.
        base_url: Where it was sent, if the line does not say it.

    Raises:
        ValueError: batchgen never writes such a value.
    """
    if not 0 < (row["attempt_id"] or 0) < MAX_ID or not row["provider"]:
        raise ValueError("a purchase without a number or a provider")
    state = State(row["state"])
    ceiling, at_risk = nano_in(row, "ceiling_usd"), nano_in(row, "at_risk_usd")
    charge = _charge_in(row, state, at_risk)
    is_at_risk = charge is Charge.UNKNOWN or state in (State.SENT, State.ACCEPTED)
    again = row["again"] and Again(row["again"])
    counts = row["counts"]
    return AttemptRecord(
        attempt_id=row["attempt_id"],
        row_id=row_id,
        first_image=max(1, min(row["first_image"] or 1, MAX_IMAGES)),
        images=max(1, min(row["images"], MAX_IMAGES)),
        state=state,
        provider=row["provider"],
        model=row["model"] or "",
        base_url=row["base_url"] or base_url,
        aspect_ratio=row["aspect_ratio"],
        resolution=row["resolution"],
        expected=nano_in(row, "expected_usd"),
        floor=nano_in(row, "floor_usd"),
        ceiling=at_risk if is_at_risk and ceiling is None else ceiling,
        sent_at=micros_in(row, "sent_at") or 0,
        task_id=row["task_id"],
        request_id=row["request_id"],
        charge=charge,
        cost=None if is_at_risk else nano_in(row, "cost_usd"),
        uncertain=0 if is_at_risk else at_risk or 0,
        again=again or _AGAIN.get(state),
        counts=state is not State.REJECTED if counts is None else counts,
        error=row["error"],
        message=row["message"],
        warning=row["warning"],
        accepted_at=micros_in(row, "accepted_at"),
        ended_at=micros_in(row, "ended_at"),
        latency_s=row["latency_s"],
    )


def _charge_in(row: TableRow, state: State, at_risk: int | None) -> Charge | None:
    basis = Basis(row["cost_basis"] or "none")
    if basis is Basis.UNKNOWN:
        if state in (State.SENT, State.ACCEPTED):
            return None
        # Charged for certain, at an unknown price: no money is at risk.
        is_unpriced = at_risk == 0 and row["ceiling_usd"] != 0
        return Charge.PRICE_LIST if is_unpriced else Charge.UNKNOWN
    if basis is Basis.NONE:
        return None if state in (State.SENT, *TASK_STATES) else Charge.NONE
    return Charge(basis.value)


def attempt_in_log(logged: LoggedAttempt, former: AttemptRecord) -> AttemptRecord:
    """Return an attempt as it is after all its events in the log.

    Args:
        logged: Its events.
        former: The attempt as the table has it, or as it was sent.
    """
    state = logged.state
    attempt = replace(
        former,
        state=state,
        task_id=logged.task_id or former.task_id,
        request_id=logged.request_id or former.request_id,
        accepted_at=logged.accepted_at or former.accepted_at,
        again=None,
        error=None,
        message=None,
    )
    if logged.delivered_fields is not None:
        attempt = _charged(attempt, logged.delivered_fields)
    if state in (State.SENT, State.ACCEPTED, State.DELIVERED):
        return attempt
    if state is State.STORED or logged.ended_fields is None:
        return replace(attempt, ended_at=logged.ended_at)
    return replace(
        _charged(attempt, logged.ended_fields),
        ended_at=logged.ended_at,
        again=again_in(logged.ended_fields),
        counts=state is not State.REJECTED,
        error=logged.ended_fields.get("error") or "internal",
        message=logged.ended_fields.get("words"),
    )


def _charged(attempt: AttemptRecord, fields: Mapping[str, str]) -> AttemptRecord:
    charge, cost = charge_in(fields), number_in(fields, "cost_nano")
    if charge in (Charge.REPORTED, Charge.BILLED) and cost is None:
        charge = Charge.UNKNOWN  # the log of an older batchgen does not say how much
    return replace(
        attempt,
        charge=charge,
        cost=cost,
        uncertain=number_in(fields, "uncertain_nano") or 0,
        request_id=fields.get("request") or attempt.request_id,
    )


# -- purchases of which little is known


@dataclass(slots=True, kw_only=True)
class AttemptFactory:
    """Describes purchases of which only their row is known.

    Attributes:
        urls: The last base URL of each provider, as far as a file names it.
        guessed_urls: Base URLs from the job, used because no file names one.
    """

    job: Job
    providers: Mapping[str, Provider]
    prices: Mapping[str, PriceList]
    urls: dict[str, str]
    guessed_urls: set[str] = field(default_factory=set)

    def url_of(self, provider: str) -> str:
        """Return the base URL of a provider; empty if it is unknown."""
        if (url := self.urls.get(provider)) is not None:
            return url
        translator = self.providers.get(provider)
        default_url = translator.defaults.base_url if translator else None
        url = self.job.terms_of(provider).base_url or default_url or ""
        self.guessed_urls.add(url)
        return url.rstrip("/")

    def new_attempt(
        self,
        ledger: Ledger,
        attempt_id: int,
        row_id: int,
        span: tuple[int, int],
        at: int,
        logged: LoggedAttempt | None = None,
    ) -> AttemptRecord:
        """Return an attempt as it was sent.

        Args:
            ledger: Has its row.
            attempt_id: Its id.
            row_id: Its row.
            span: Its first image, and how many it has.
            at: When it was sent, or the first known time after that.
            logged: Its events in the log, if there are any.
        """
        fields = logged.sent_fields if logged else {}
        request = ledger.row(row_id).request
        planned = ledger.planned(row_id)
        name = fields.get("provider") or (
            planned.provider if planned else self.job.providers[0]
        )
        is_planned = planned is not None and planned.provider == name
        provider = self.providers.get(name)
        model = fields.get("model_id") or (
            planned.model
            if planned and is_planned
            else request.model or (provider.defaults.model if provider else "")
        )
        resolution = fields.get("resolution") or (
            planned.resolution if planned and is_planned else request.resolution
        )
        first, images = span[0], min(span[1], MAX_IMAGES)
        if "images" in fields:  # then the log has all known amounts, too
            amounts = _logged_amounts(fields)
        else:
            price_key = PriceKey.of(name, request, model, resolution or "")
            per_image = self._amounts(price_key)
            amounts = {key: nano * images for key, nano in per_image.items()}
        return AttemptRecord(
            attempt_id=attempt_id,
            row_id=row_id,
            first_image=first,
            images=images,
            state=State.SENT,
            provider=name,
            model=model,
            base_url=fields.get("url") or self.url_of(name),
            aspect_ratio=fields.get("ratio") or request.aspect_ratio,
            resolution=resolution,
            expected=amounts.get("expected"),
            floor=amounts.get("floor"),
            ceiling=amounts.get("ceiling"),
            sent_at=at,
        )

    def highest(self, ledger: Ledger) -> int | None:
        """Return the highest price of a planned purchase; None if one is unknown."""
        highest = 0
        for planned in planned_sales(ledger, EVERY_ROW):
            amounts = self._amounts(planned.price_key)
            if "ceiling" not in amounts:
                return None
            images = -(-planned.images // planned.rows)
            highest = max(highest, amounts["ceiling"] * images)
        return highest or None

    def _amounts(self, price_key: PriceKey) -> dict[str, int]:
        price = find_price(self.prices.get(price_key.provider, ()), price_key)
        if price is None:
            return {}
        return {
            "expected": to_nano(price.expected),
            "floor": to_nano(price.floor),
            "ceiling": to_nano(price.ceiling),
        }


def _logged_amounts(fields: Mapping[str, str]) -> dict[str, int]:
    return {
        key: nano
        for key in ("expected", "floor", "ceiling")
        if (nano := number_in(fields, f"{key}_nano")) is not None
    }
