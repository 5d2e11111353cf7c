"""The rows that are still to be bought, and their prices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from batchgen.ledger.estimate import Estimate, read_estimate
from batchgen.ledger.plan_findings import RowWithPrompt
from batchgen.ledger.reader import Reader
from batchgen.ledger.request_json import load_request, prompt_of
from batchgen.model import PriceKey


class RowToBuy(NamedTuple):
    """A row that is still to be bought.

    Attributes:
        estimate: Expected price of all its images in nano-dollars; None if unknown.
        route: Providers that can make the row, as JSON; None for one alone.
        images: How many it requests.
        missing: How many of these are not in the archive yet.
    """

    price_key: PriceKey
    estimate: int | None
    route: str | None
    images: int
    budget_group: str | None
    missing: int


class SaleToBuy(NamedTuple):
    """Rows of one budget group that cost the same for each image.

    Attributes:
        missing: How many of their images are not in the archive yet.
    """

    price_key: PriceKey
    budget_group: str | None
    missing: int


class PlannedSale(NamedTuple):
    """Planned rows of one provider in one resolution, bought or not.

    Attributes:
        price_key: Of the first row.
        position: Of the first row.
        images: How many the rows request together.
    """

    price_key: PriceKey
    position: int
    rows: int
    images: int


class UnpricedRow(NamedTuple):
    """A row that is still to be bought, and has no price."""

    price_key: PriceKey
    position: int
    line: int | None


class UnpricedImages(NamedTuple):
    """Images that were, or may have been, bought at an unknown price.

    Attributes:
        day: When they were bought, counted in UTC days from 1970.
    """

    provider: str
    model: str
    resolution: str | None
    day: int
    budget_group: str | None
    images: int


def outstanding_after_retry(ledger: Reader) -> Estimate:
    """Add up the rows that are marked to be tried again."""
    return read_estimate(ledger, "retry_prices", (ledger.generation,))


def rows_to_buy(ledger: Reader, end: int) -> Iterator[RowToBuy]:
    """Yield the rows before a position that are still to be bought."""
    for values in ledger.stream("rows_to_buy", ledger.before(end)):
        yield RowToBuy(_price_key(*values[:4]), *values[4:])


def sales_to_buy(ledger: Reader, end: int) -> Iterator[SaleToBuy]:
    """Yield the same rows in groups that cost the same for each image."""
    for values in ledger.stream("sales_to_buy", ledger.before(end)):
        yield SaleToBuy(_price_key(*values[:4]), *values[4:])


def planned_sales(ledger: Reader, end: int) -> Iterator[PlannedSale]:
    """Yield the groups of planned rows before a position, by their first row."""
    for values in ledger.stream("plan_sales", ledger.before(end)):
        yield PlannedSale(_price_key(*values[:4]), *values[4:])


def unpriced_row(ledger: Reader, end: int, generation: int) -> UnpricedRow | None:
    """Return the first row before a position that is to be bought and has no price."""
    values = {"generation": generation, "end": end}
    row = ledger.execute("unpriced_row", values).fetchone()
    return None if row is None else UnpricedRow(_price_key(*row[:4]), *row[4:])


def unpriced_images(ledger: Reader) -> list[UnpricedImages]:
    """Return images that were bought without a price, whatever their rows' status."""
    return [UnpricedImages._make(row) for row in ledger.execute("images_unpriced")]


def has_unsent_rows(ledger: Reader, end: int, generation: int) -> bool:
    """Say whether there are rows to buy that have no attempt yet."""
    return ledger.has_any("unsent_row", {"generation": generation, "end": end})


def sharing(ledger: Reader, end: int) -> Estimate:
    """Add up the rows that need no purchase: they share another row's images."""
    return read_estimate(ledger, "rows_sharing", ledger.before(end))


def first_sharing_row(ledger: Reader, end: int) -> RowWithPrompt | None:
    """Return the first of these rows; None if there is none."""
    row = ledger.execute("rows_sharing_first", ledger.before(end)).fetchone()
    if row is None:
        return None
    return RowWithPrompt(row["position"], row["line"], prompt_of(row["request"]))


def highest_price_factor(ledger: Reader) -> float | None:
    """Return the highest ratio of a ceiling to its expected price."""
    factor: float | None = ledger.execute("ceiling_factor").fetchone()[0]
    return factor


def last_latencies(ledger: Reader, provider: str) -> list[float]:
    """Return how many seconds a provider's last purchases took, the newest first."""
    return [row[0] for row in ledger.execute("last_latencies", (provider,))]


def mean_image_bytes(ledger: Reader) -> dict[str, float]:
    """Return how large the stored images are on average, by resolution."""
    return dict(map(tuple, ledger.execute("image_sizes")))


def _price_key(provider: str, model: str, resolution: str, request: str) -> PriceKey:
    return PriceKey.of(provider, load_request(request), model, resolution)
