"""Refuse purchases without a price or without consent, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from batchgen.admission.provider_queue import ProviderQueue
from batchgen.errors import UsageError
from batchgen.ledger import Reader
from batchgen.ledger.outstanding import unpriced_row
from batchgen.model import Capabilities, ImageRequest, Job, PriceBook, PriceKey
from batchgen.planning.routing import unpriced_message

_PRICED_BY = {
    *("model", "service_tier", "official_fallback", "quality", "thinking_level"),
}
"""Columns that decide a row's price, besides its resolution."""


@dataclass(frozen=True, slots=True)
class PriceCheck:
    """Says which purchases of a job have no known price."""

    job: Job
    queues: Mapping[str, ProviderQueue]
    prices: PriceBook

    def refuse_unpriced(self, capabilities: Mapping[str, Capabilities]) -> None:
        """Refuse a budget that cannot hold because no provider's model has a price.

        If one has a price, rows that name no provider go there. Rows that name another
        provider or model are checked when they are planned. The same holds for a model
        that is shut down: a price would not bring it back.

        Args:
            capabilities: What each provider supports today.

        Raises:
            UsageError: the text says how to give one.
        """
        first: tuple[PriceKey, ProviderQueue] | None = None
        for queue in self.queues.values():
            sizes = self._resolutions_of(queue)
            unpriced = list(self._unpriced(queue, sizes))
            if (
                len(unpriced) < len(sizes)
                or unpriced[0].model in capabilities[queue.name].shutdowns
            ):
                return
            first = first or (unpriced[0], queue)
        if first is not None:
            price_key, queue = first
            raise UsageError(
                unpriced_message(price_key, at_any_size=True, elsewhere=queue.elsewhere)
            )

    def is_complete(self, columns: frozenset[str]) -> bool:
        """Say whether each row surely has a price.

        Args:
            columns: Columns of the manifest that batchgen reads.
        """
        if columns & _PRICED_BY:
            return False
        for queue in self.queues.values():
            sizes = self._resolutions_of(queue)
            if "resolution" not in columns:
                default = queue.capabilities.default_resolution
                sizes = (self.job.resolution or default,)
            if any(self._unpriced(queue, sizes)):
                return False
        return True

    def _unpriced(
        self, queue: ProviderQueue, sizes: Sequence[str]
    ) -> Iterator[PriceKey]:
        for size in sizes:
            request = ImageRequest(prompt="", resolution=size, options=self.job.options)
            model = self._model_for(queue, request)
            price_key = PriceKey.of(queue.name, request, model, size)
            if self.prices.find(price_key) is None:
                yield price_key

    def _resolutions_of(self, queue: ProviderQueue) -> Sequence[str]:
        """Return the sizes of the model that is used for rows without a model."""
        model = self._model_for(queue, ImageRequest(prompt=""))
        return queue.capabilities.for_model(model).resolutions

    def _model_for(self, queue: ProviderQueue, request: ImageRequest) -> str:
        job_model = self.job.terms_of(queue.name).model
        model, _ = queue.capabilities.resolve_model(request, job_model)
        return model or queue.provider.defaults.model


def refuse_unpriced_rows(
    ledger: Reader, queues: Mapping[str, ProviderQueue], end: int, generation: int
) -> None:
    """Refuse a budget that cannot hold because a planned row has no price.

    Raises:
        UsageError: the text names the first such row, and says how to give a price.
    """
    row = unpriced_row(ledger, end, generation)
    if row is not None:
        price_key = row.price_key
        line = f", line {row.line}" if row.line is not None else ""
        queue = queues.get(price_key.provider)
        message = unpriced_message(
            price_key, elsewhere=queue.elsewhere if queue else None
        )
        raise UsageError(f"row {row.position}{line}: {message}. Nothing was sent")
