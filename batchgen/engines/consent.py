"""What is refused before anything is sent."""

from __future__ import annotations

from batchgen.engines.estimate import rebuy_of
from batchgen.errors import UsageError
from batchgen.ledger import Reader
from batchgen.runner.context import Run


def refuse_unpriced(run: Run) -> None:
    """Refuse a budget that cannot hold because a provider has no price.

    Raises:
        UsageError: the text says how to give one.
    """
    for name in run.lanes:
        if not run.prices.get(name):
            raise UsageError(
                f"no price is known for {name}, so no budget can hold: give one "
                f"with --price, or in the job under [prices.{name}]"
            )


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
