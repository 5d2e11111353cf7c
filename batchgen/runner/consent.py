"""Refuse purchases without a price or without consent, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.run_context import Run
from batchgen.errors import UsageError
from batchgen.ledger import Reader
from batchgen.ledger.outstanding import unpriced_row
from batchgen.model import Capabilities, ImageRequest, PriceKey
from batchgen.planning.routing import unpriced_message
from batchgen.runner.manifest_edits import rebuy_of

_PRICED_BY = {
    *("model", "service_tier", "official_fallback", "quality", "thinking_level"),
}
"""Columns that decide a row's price, besides its resolution."""


def refuse_unpriced(run: Run, capabilities: Mapping[str, Capabilities]) -> None:
    """Refuse a budget that cannot hold because no provider's model has a price.

    If one has a price, rows that name no provider go there. Rows that name another
    provider or model are judged when they are planned. The same holds for a model that
    is shut down: a price would not bring it back.

    Args:
        run: The run.
        capabilities: What each provider supports today.

    Raises:
        UsageError: the text says how to give one.
    """
    first: tuple[PriceKey, ProviderQueue] | None = None
    for queue in run.queues.values():
        sizes = _capabilities_of(run, queue).resolutions
        unpriced = list(_unpriced(run, queue, sizes))
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


def is_priced(run: Run, states: frozenset[str]) -> bool:
    """Say whether each row surely has a price, judged by the columns of the manifest.

    Args:
        run: The run.
        states: Columns of the manifest that batchgen reads.
    """
    if states & _PRICED_BY:
        return False
    for queue in run.queues.values():
        common = run.job.resolution or queue.capabilities.default_resolution
        sizes = (
            _capabilities_of(run, queue).resolutions
            if "resolution" in states
            else (common,)
        )
        if any(_unpriced(run, queue, sizes)):
            return False
    return True


def _unpriced(
    run: Run, queue: ProviderQueue, sizes: Sequence[str]
) -> Iterator[PriceKey]:
    job_model = run.job.terms_of(queue.name).model
    for size in sizes:
        request = ImageRequest(prompt="", resolution=size, options=run.job.options)
        model, _ = queue.capabilities.resolve_model(request, job_model)
        model = model or queue.provider.defaults.model
        price_key = PriceKey.of(queue.name, request, model, size)
        if run.prices.find_nano(price_key) is None:
            yield price_key


def _capabilities_of(run: Run, queue: ProviderQueue) -> Capabilities:
    """Return what the model supports that is used for rows without a model."""
    job_model = run.job.terms_of(queue.name).model
    model, _ = queue.capabilities.resolve_model(ImageRequest(prompt=""), job_model)
    return queue.capabilities.for_model(model or queue.provider.defaults.model)


def refuse_unpriced_rows(run: Run, end: int, generation: int) -> None:
    """Refuse a budget that cannot hold because a planned row has no price.

    Raises:
        UsageError: the text names the first such row, and says how to give a price.
    """
    row = unpriced_row(run.ledger, end, generation)
    if row is not None:
        price_key = row.price_key
        line = f", line {row.line}" if row.line is not None else ""
        queue = run.queues.get(price_key.provider)
        message = unpriced_message(
            price_key, elsewhere=queue.elsewhere if queue else None
        )
        raise UsageError(f"row {row.position}{line}: {message}. Nothing was sent")


def refuse_rebuy(ledger: Reader, end: int, generation: int) -> None:
    """Refuse to buy rows again whose earlier version was bought.

    Raises:
        UsageError: the text names how many rows, and the money.
    """
    rebuy = rebuy_of(ledger, end, generation)
    if rebuy is not None:
        raise UsageError(f"{rebuy}. Nothing was sent")
