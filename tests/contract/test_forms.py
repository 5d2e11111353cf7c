"""Images come home in each form in which a provider hands them over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from batchgen.model import Blob, Delivered, Json, Link, Reply
from batchgen.providers import PROVIDERS
from batchgen.providers.base import Endpoint, Provider
from tests.contract.customer import Customer, check_books, quick
from tests.providers.expected import facts_of

pytestmark = pytest.mark.anyio

ROWS = 40


class Witness:
    """Notes in which forms the images of a provider come."""

    def __init__(self) -> None:
        self.forms: set[str] = set()

    def twin(self, provider: Provider) -> Provider:
        twin = quick(provider)
        for name in ("decode", "decode_poll"):
            if hasattr(provider, name):
                vars(twin)[name] = self._noting(getattr(provider, name))
        return twin

    def _noting(self, decode: Callable[..., Any]) -> Callable[..., Any]:
        def noting(reply: Reply, *endpoint: Endpoint) -> Any:
            outcome = decode(reply, *endpoint)
            if isinstance(outcome, Delivered):
                self.forms.update(forms_of(reply, outcome))
            return outcome

        return noting


def forms_of(reply: Reply, outcome: Delivered) -> Iterator[str]:
    """Yield where each image of an outcome stands in the reply."""
    if isinstance(reply.body, Blob):
        yield reply.headers["content-type"]
    for image in outcome.images:
        content = image.url if isinstance(image, Link) else image
        yield from _places(reply.body, content, "")


def _places(value: Json, image: Json, place: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, held in value.items():
            yield from _places(held, image, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for held in value:
            yield from _places(held, image, f"{place}[]")
    elif place and (value is image or (value == image and isinstance(value, str))):
        yield place


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_images_come_home_in_every_form_of_a_reply(customer: Customer) -> None:
    witness = Witness()
    customer.replace_provider = witness.twin
    customer.write([customer.row(f"a teapot {number}") for number in range(ROWS)])

    await customer.run(terms={"concurrency": 16})

    assert witness.forms == facts_of(customer.provider).forms
    books = customer.books()
    assert books.statuses == {"succeeded": ROWS}
    assert len(books.requests) == ROWS
    assert (books.spent, books.at_risk) == (books.billed, 0)
    check_books(books)
