"""Everything that a provider can be asked for comes home as the tables promise."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from batchgen.providers import PROVIDERS
from tests.contract.crossing import a_row_for_each_kind, cross, pairwise_rows
from tests.contract.customer import Customer
from tests.contract.pairs import pairwise
from tests.providers.expected import facts_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_option_has_a_field(provider: str) -> None:
    options = PROVIDERS[provider].capabilities.options
    assert set(facts_of(provider).fields) == set(options)


def test_rows_hold_each_pair_but_those_that_clash() -> None:
    levels = {"a": [1, 2, 3], "b": "xyzw", "c": [True, False], "d": [None]}

    rows = pairwise(levels, lambda row: row.get("a") == 3 and row.get("b") == "w")

    held = {pair for row in rows for pair in combinations([*row.items()], 2)}
    for one, other in combinations(levels, 2):
        for values in product(levels[one], levels[other]):
            clash = (one, other, *values) == ("a", "b", 3, "w")
            pair = ((one, values[0]), (other, values[1]))
            assert (pair in held) != clash, pair
    assert len(rows) < 16


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_whatever_is_asked_comes_home_at_its_size_and_price(
    customer: Customer,
) -> None:
    figures = await cross(customer, pairwise_rows)

    assert figures.images > figures.rows
    assert figures.wrong_sizes == 0
    assert figures.spent_nano == figures.billed_nano


@pytest.mark.parametrize(
    ("provider", "terms", "paths"),
    [
        pytest.param(
            "gccai",
            {"references": "upload"},
            {"/v1/images/generations"},
            id="gccai-upload",
        ),
        pytest.param(
            "nanobananaapi",
            {"endpoint": "edit"},
            {"/v1/images/generate", "/v1/images/edit"},
            id="nanobananaapi-edit",
        ),
        pytest.param(
            "apiai",
            {"endpoint": "/api/process/nano-banana-2-2"},
            {"/api/process/nano-banana-2-2"},
            id="apiai-process",
        ),
    ],
)
async def test_references_of_each_kind_go_the_way_that_the_job_chooses(
    customer: Customer, terms: dict[str, str], paths: set[str]
) -> None:
    await cross(customer, a_row_for_each_kind, **terms)

    requests = customer.requests()
    assert {request["path"] for request in requests} == paths
    inline = sum("base64" in str(request["body"]) for request in requests)
    assert (inline > 0) == (customer.provider == "nanobananaapi")
