"""The rows that are still to be bought, and their prices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from batchgen.ledger.reader import Reader
from batchgen.ledger.request_json import load_request
from batchgen.model import PriceKey


class Outstanding(NamedTuple):
    """Rows that are still to be bought, added up.

    Attributes:
        images: Those that are not in the archive yet.
        estimate: Expected price of all rows with a known price, in nano-dollars.
        unpriced: How many rows have no known price.
    """

    rows: int
    images: int
    estimate: int
    unpriced: int


class EstimatedRows(NamedTuple):
    """Rows and their price, added up.

    Attributes:
        estimate: Expected price of all rows with a known price, in nano-dollars.
        unpriced: How many rows have no known price.
    """

    rows: int
    estimate: int
    unpriced: int


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


class SharingRow(NamedTuple):
    """A row that has the images of another."""

    position: int
    line: int | None
    prompt: str


def outstanding(ledger: Reader, end: int, generation: int) -> Outstanding:
    """Add up what is still to be bought before a position."""
    values = {"generation": generation, "end": end}
    return Outstanding._make(ledger.execute("to_buy", values).fetchone())


def outstanding_after_retry(ledger: Reader) -> EstimatedRows:
    """Add up the rows that are marked to be tried again."""
    values = (ledger.generation,)
    return EstimatedRows._make(ledger.execute("retry_prices", values).fetchone())


def rows_to_buy(ledger: Reader, end: int) -> Iterator[RowToBuy]:
    """Yield the rows before a position that are still to be bought."""
    for values in _before(ledger, "rows_to_buy", end):
        yield RowToBuy(_sale(*values[:4]), *values[4:])


def sales_to_buy(ledger: Reader, end: int) -> Iterator[SaleToBuy]:
    """Yield the same as groups of rows that cost the same."""
    for values in _before(ledger, "sales_to_buy", end):
        yield SaleToBuy(_sale(*values[:4]), *values[4:])


def planned_sales(ledger: Reader, end: int) -> Iterator[PlannedSale]:
    """Yield the groups of planned rows before a position, by their first row."""
    for values in _before(ledger, "plan_sales", end):
        yield PlannedSale(_sale(*values[:4]), *values[4:])


def unpriced_row(ledger: Reader, end: int, generation: int) -> UnpricedRow | None:
    """Return the first row before a position that is to be bought and has no price."""
    values = {"generation": generation, "end": end}
    row = ledger.execute("unpriced_row", values).fetchone()
    return None if row is None else UnpricedRow(_sale(*row[:4]), *row[4:])


def unpriced_images(ledger: Reader) -> list[UnpricedImages]:
    """Return images that were bought without a price, whatever their rows' status."""
    return [UnpricedImages._make(row) for row in ledger.execute("images_unpriced")]


def has_unsent_rows(ledger: Reader, end: int, generation: int) -> bool:
    """Say whether there are rows to buy that have no attempt yet."""
    values = {"generation": generation, "end": end}
    return ledger.execute("fresh_row", values).fetchone() is not None


def sharing(ledger: Reader, end: int) -> Outstanding:
    """Add up the rows that need no purchase: they share another row's images."""
    values = {"generation": ledger.generation, "end": end}
    return Outstanding._make(ledger.execute("rows_sharing", values).fetchone())


def first_sharing_row(ledger: Reader, end: int) -> SharingRow | None:
    """Return the first of these rows; None if there is none."""
    values = {"generation": ledger.generation, "end": end}
    row = ledger.execute("rows_sharing_first", values).fetchone()
    if row is None:
        return None
    position, line, request = row
    return SharingRow(position, line, load_request(request).prompt)


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


def _before(ledger: Reader, name: str, end: int) -> Iterator[tuple[Any, ...]]:
    return ledger.stream(name, {"generation": ledger.generation, "end": end})


def _sale(provider: str, model: str, resolution: str, request: str) -> PriceKey:
    return PriceKey.of(provider, load_request(request), model, resolution)
