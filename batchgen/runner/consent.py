"""What is refused before anything is sent."""

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
"""Known columns that decide a row's price, besides its resolution."""


def refuse_unpriced(run: Run, capabilities: Mapping[str, Capabilities]) -> None:
    """Refuse a budget that cannot hold because no provider's model has a price.

    Where one has, the others get no rows by themselves. Rows that ask for them, or for
    something else, are judged when they are planned; so are those whose model is off,
    which a price would not bring back.

    Args:
        run: The run.
        capabilities: What each provider can do by now.

    Raises:
        UsageError: the text says how to give one.
    """
    first = None
    for queue in run.queues.values():
        sizes = _able(run, queue).resolutions
        unpriced = list(_unpriced(run, queue, sizes))
        if (
            len(unpriced) < len(sizes)
            or unpriced[0].model in capabilities[queue.name].shutdowns
        ):
            return
        first = first or (unpriced[0], queue)
    if first is not None:
        words = unpriced_message(
            first[0], at_any_size=True, elsewhere=first[1].elsewhere
        )
        raise UsageError(words)


def is_priced(run: Run, states: frozenset[str]) -> bool:
    """Say whether each row has a price, whatever it holds, by the columns that it has.

    Args:
        run: The run.
        states: Known columns of the manifest.
    """
    if states & _PRICED_BY:
        return False
    for queue in run.queues.values():
        common = run.job.resolution or queue.capabilities.default_resolution
        sizes = _able(run, queue).resolutions if "resolution" in states else (common,)
        if any(_unpriced(run, queue, sizes)):
            return False
    return True


def _unpriced(
    run: Run, queue: ProviderQueue, sizes: Sequence[str]
) -> Iterator[PriceKey]:
    stated = run.job.terms_of(queue.name).model
    for size in sizes:
        request = ImageRequest(prompt="", resolution=size, options=run.job.options)
        model, _ = queue.capabilities.resolve_model(request, stated)
        model = model or queue.provider.defaults.model
        price_key = PriceKey.of(queue.name, request, model, size)
        if run.expected(price_key) is None:
            yield price_key


def _able(run: Run, queue: ProviderQueue) -> Capabilities:
    """Return what can be done with the model of rows that state none."""
    stated = run.job.terms_of(queue.name).model
    model, _ = queue.capabilities.resolve_model(ImageRequest(prompt=""), stated)
    return queue.capabilities.for_model(model or queue.provider.defaults.model)


def refuse_unpriced_rows(run: Run, below: int, generation: int) -> None:
    """Refuse a budget that cannot hold because a planned row has no price.

    Raises:
        UsageError: the text names the first such row, and says how to give a price.
    """
    row = unpriced_row(run.ledger, below, generation)
    if row is not None:
        price_key = row.price_key
        line = f", line {row.line}" if row.line is not None else ""
        queue = run.queues.get(price_key.provider)
        words = unpriced_message(
            price_key, elsewhere=queue.elsewhere if queue else None
        )
        raise UsageError(f"row {row.position}{line}: {words}. Nothing was sent")


def refuse_rebuy(ledger: Reader, below: int, generation: int) -> None:
    """Refuse to buy again what was bought in another version.

    Raises:
        UsageError: the text names how many rows, and the money.
    """
    found = rebuy_of(ledger, below, generation)
    if found is not None:
        raise UsageError(f"{found}. Nothing was sent")
