"""What is refused before anything is sent."""

from __future__ import annotations

from batchgen.engines.estimate import rebuy_of
from batchgen.errors import UsageError
from batchgen.ledger import Reader, load_request
from batchgen.model import ImageRequest, Sale
from batchgen.runner.choice import unpriced_words
from batchgen.runner.context import Run


def refuse_unpriced(run: Run) -> None:
    """Refuse a budget that cannot hold because a provider's model has no price.

    Rows that ask for something else are judged when they are planned.

    Raises:
        UsageError: the text says how to give one.
    """
    for lane in run.lanes.values():
        stated = run.job.terms_of(lane.name).model
        unpriced = []
        for size in lane.able.resolutions:
            common = ImageRequest(prompt="", resolution=size)
            model, _ = lane.able.sale(common, stated)
            model = model or lane.provider.defaults.model
            sale = Sale.of(lane.name, common, model, size)
            if run.expected(sale) is None:
                unpriced.append(sale)
        if len(unpriced) == len(lane.able.resolutions):
            raise UsageError(unpriced_words(unpriced[0]))


def refuse_unpriced_rows(run: Run, below: int, generation: int) -> None:
    """Refuse a budget that cannot hold because a planned row has no price.

    Raises:
        UsageError: the text names the first such row, and says how to give a price.
    """
    values = {"generation": generation, "below": below}
    found = run.ledger.run("unpriced_row", values).fetchone()
    if found is not None:
        request = load_request(found["request"])
        sale = Sale.of(found["provider"], request, found["model"], found["resolution"])
        line = f", line {found['line']}" if found["line"] is not None else ""
        words = unpriced_words(sale)
        raise UsageError(f"row {found['position']}{line}: {words}. Nothing was sent")


def refuse_rebuy(ledger: Reader, below: int, generation: int) -> None:
    """Refuse to buy again what was bought in another version.

    Raises:
        UsageError: the text names how many rows, and the money.
    """
    found = rebuy_of(ledger, below, generation)
    if found is not None:
        raise UsageError(
            f"bought already in another version: {found}; say --rebuy to buy them "
            "again. Nothing was sent"
        )
