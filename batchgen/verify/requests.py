"""The requests that a provider must support: everything in its capabilities."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from io import BytesIO
from typing import Any

from PIL import Image

from batchgen.model import (
    Capabilities,
    ImageRequest,
    OptionRule,
    pixel_size,
    type_of_option,
)
from batchgen.output.plain_tables import Record
from batchgen.providers import PROVIDERS
from batchgen.verify.books import expect
from batchgen.verify.customer import Customer

REFUSALS = 8


def values_of(name: str, rule: OptionRule) -> list[Any]:
    """Return valid values of an option; the first is None, for no value."""
    if rule.choices:
        return [None, *rule.choices]
    if type_of_option[name] is bool:
        return [None, True, False]
    if rule.min_value is None or rule.max_value is None:
        return [None, "blurry, “soft” 青"]
    return [
        None,
        rule.min_value,
        (rule.min_value + rule.max_value) // 2,
        rule.max_value,
    ]


def rates_of(customer: Customer) -> dict[str, Decimal]:
    """Return the price of a credit, if replies state credits without a price."""
    usd = customer.tariff[customer.cheapest].get("usd_per_credit")
    return {} if usd is None else {"credit": Decimal(usd)}


async def deliver_all_that_can_be_asked_for(customer: Customer) -> None:
    """Buy each ratio, size, number of images, option and kind of reference once."""
    capabilities = PROVIDERS[customer.provider].capabilities
    image = BytesIO()
    Image.effect_noise((48, 32), 90).save(image, "PNG")
    (customer.folder / "sketch.png").write_bytes(image.getvalue())
    uri = f"data:image/png;base64,{b64encode(image.getvalue()).decode()}"
    requests = [
        *_small_requests(customer, capabilities),
        *_option_requests(capabilities),
        *({"references": [reference]} for reference in ("sketch.png", uri)),
    ]
    if not capabilities.references.max_count:
        del requests[-2:]
    rows = [
        customer.row(f"cup {number}", **value) for number, value in enumerate(requests)
    ]
    customer.write(rows)
    await customer.run(terms={"concurrency": 8, "rates": rates_of(customer)})
    books = customer.read_books()
    problems = [row["message"] for row in books.rows if row["status"] != "succeeded"]
    expect("rows that failed", problems, [])
    expect("warnings", [row["warning"] for row in books.rows if row["warning"]], [])
    parts = [-(-row["n"] // capabilities.images_per_request) for row in rows]
    expect("purchase requests", len(books.requests), sum(parts))
    expect("spent and at risk", (books.spent, books.at_risk), (books.billed, 0))
    for expected, row in zip(rows, books.rows, strict=True):
        _check_files(expected, row)


def _small_requests(customer: Customer, capabilities: Capabilities) -> Iterator[Record]:
    model = PROVIDERS[customer.provider].defaults.model
    for ratio in capabilities.aspect_ratios:
        request = ImageRequest(
            prompt="", aspect_ratio=ratio, resolution=customer.cheapest
        )
        if not any(capabilities.unsupported(request, model)):
            yield {"aspect_ratio": ratio}
    for resolution in capabilities.for_model(model).resolutions:
        request = ImageRequest(prompt="", resolution=resolution)
        if not any(capabilities.unsupported(request, model)):
            yield {"resolution": resolution}
    for number in {
        2,
        capabilities.images_per_request,
        capabilities.images_per_request + 1,
    }:
        yield {"n": number}


def _option_requests(capabilities: Capabilities) -> Iterator[Record]:
    for name, rule in capabilities.options.items():
        for value in values_of(name, rule)[1:]:
            row = {name: value}
            if rule.needs and value:
                row[rule.needs] = True
            if rule.beside:
                row[rule.beside[0]] = rule.beside[1][0]
            yield row


def _check_files(expected: Record, row: Record) -> None:
    """Check number and size of a row's images."""
    expect(f"images of {expected}", len(row["files"]), expected["n"])
    size = pixel_size(expected["aspect_ratio"], expected["resolution"])
    for file in row["files"] if size is not None else ():
        expect(f"pixels of {expected}", (file["width_px"], file["height_px"]), size)


async def take_a_refusal_as_final(customer: Customer) -> None:
    """Refuse prompts in every shape of a refusal: no prompt is sent again."""
    customer.write([customer.row(f"REFUSE-ME {number}") for number in range(REFUSALS)])
    for _ in range(2):
        await customer.run(terms={"concurrency": REFUSALS})
        books = customer.read_books()
        expect("statuses", books.statuses, {"refused": REFUSALS})
        expect("purchase requests", len(books.requests), REFUSALS)
    expect("spent", books.spent, books.billed)


REQUEST_CHECKS: tuple[Callable[[Customer], Awaitable[None]], ...] = (
    deliver_all_that_can_be_asked_for,
    take_a_refusal_as_final,
)
