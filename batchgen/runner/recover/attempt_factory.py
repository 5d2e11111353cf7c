"""Describe purchases of which little is known, by their rows and today's prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchgen.ledger import AttemptRecord, Ledger
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.ledger.outstanding import planned_sales
from batchgen.model import Job, PriceKey, PriceList, State, find_price, to_nano
from batchgen.providers.base import Provider
from batchgen.runner.recover.recovered_attempts import MAX_IMAGES
from batchgen.runner.recover.run_log import LoggedAttempt, number_in


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
