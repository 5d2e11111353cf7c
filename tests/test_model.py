"""The frozen words that all layers share: money, capabilities, states."""

from __future__ import annotations

import dataclasses
import pickle
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen import model
from batchgen.errors import Charge
from batchgen.model import (
    NEXT,
    PIXELS_AT_1K,
    RESOLUTIONS,
    Basis,
    Call,
    Capabilities,
    ImageRequest,
    OptionRule,
    OptionValue,
    Price,
    PriceKey,
    PriceList,
    ReferenceRules,
    State,
    Status,
    by_resolution,
    dollars,
    find_price,
    pixel_size,
    to_nano,
    to_usd,
    type_of_option,
)
from batchgen.providers import PROVIDERS
from batchgen.providers.base import Endpoint

ABLE = Capabilities(
    aspect_ratios=("1:1", "16:9"),
    resolutions=("1K", "2K"),
    default_resolution="1K",
    images_per_request=1,
    references=ReferenceRules(max_count=2, carriers=("link", "inline")),
    options={
        "web_search": OptionRule(),
        "image_search": OptionRule(needs="web_search"),
        "temperature": OptionRule(min_value=0, max_value=1),
        "output_format": OptionRule(choices=("png", "webp")),
    },
)


def all_data() -> list[type]:
    kinds: list[type] = [getattr(model, name) for name in model.__all__]
    return [kind for kind in kinds if dataclasses.is_dataclass(kind)]


@pytest.mark.parametrize("kind", all_data(), ids=lambda kind: kind.__name__)
def test_data_is_frozen_and_takes_no_field_that_it_does_not_name(kind: type) -> None:
    # Millions of these two are made, and freezing each takes longer than all else.
    is_frozen: bool = kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert is_frozen or kind in (model.ResultRow, model.PurchaseRow)
    assert "__slots__" in vars(kind)


# -- money


@given(st.integers(0, 10**18))
def test_money_survives_the_way_through_dollars_exactly(nano: int) -> None:
    assert to_nano(to_usd(nano)) == nano
    assert dollars(nano).startswith("$")
    assert Decimal(dollars(nano).removeprefix("$")) == to_usd(nano)


@pytest.mark.parametrize(
    ("usd", "nano"),
    [
        pytest.param("0.0925465", 92_546_500, id="credits"),
        pytest.param("0.0000000005", 0, id="half-to-even-down"),
        pytest.param("0.0000000015", 2, id="half-to-even-up"),
        pytest.param("0.0000000004", 0, id="less-than-half"),
        pytest.param("9999999999.999999999", 9_999_999_999_999_999_999, id="large"),
    ],
)
def test_fractions_of_a_nano_dollar_are_rounded_half_to_even(
    usd: str, nano: int
) -> None:
    assert to_nano(Decimal(usd)) == nano


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        pytest.param(0, "$0.00", id="none"),
        pytest.param(1, "$0.000000001", id="one-nano"),
        pytest.param(2_500_000_000, "$2.50", id="two-decimals"),
        pytest.param(10_000_000_000, "$10.00", id="whole"),
    ],
)
def test_dollars_are_written_exactly_with_two_decimals_at_least(
    nano: int, text: str
) -> None:
    assert dollars(nano) == dollars(to_usd(nano)) == text


CUP = PriceKey("acme", "1K", "acme-1")


def cost_of(prices: PriceList, price_key: PriceKey) -> Decimal | None:
    price = find_price(prices, price_key)
    return None if price is None else price.expected


def test_a_price_of_its_own_stands_above_the_one_for_all() -> None:
    one, other = (Price.agreed(Decimal(usd), "page") for usd in ("0.1", "0.2"))
    both = by_resolution({"*": one, "4K": other})
    poster, cup = (PriceKey("acme", resolution) for resolution in ("4K", "1K"))

    assert cost_of(both, poster) == Decimal("0.2")
    assert cost_of(both, cup) == Decimal("0.1")
    assert cost_of(by_resolution({"4K": other}), cup) is None


def test_a_price_of_nothing_is_a_price() -> None:
    free = Price.agreed(Decimal(0), "page")
    prices = by_resolution({"1K": free, "*": Price.agreed(Decimal(1), "p")})

    assert cost_of(prices, PriceKey("acme", "1K")) == 0


@pytest.mark.parametrize(
    ("price_key", "usd"),
    [
        pytest.param(CUP, "0.04", id="as-listed"),
        pytest.param(CUP._replace(model=None), "0.04", id="model-unsaid"),
        pytest.param(CUP._replace(model="acme-9"), None, id="another-model"),
        pytest.param(CUP._replace(tier="priority"), "0.09", id="tier-of-its-own"),
        pytest.param(CUP._replace(tier="flex"), None, id="tier-without-price"),
        pytest.param(CUP._replace(references=3), "0.046", id="references"),
    ],
)
def test_a_price_holds_for_its_model_and_tier_alone(
    price_key: PriceKey, usd: str | None
) -> None:
    usual = Price(
        expected=Decimal("0.04"),
        ceiling=Decimal("0.05"),
        page="p",
        models=frozenset({"acme-1"}),
        tiers=frozenset({None}),
        per_reference=Decimal("0.002"),
    )
    dear = replace(usual, expected=Decimal("0.09"), tiers=frozenset({"priority"}))

    assert cost_of((usual, dear), price_key) == (None if usd is None else Decimal(usd))


def test_what_references_and_searches_add_is_in_the_ceiling() -> None:
    price = Price(
        expected=Decimal("0.04"),
        ceiling=Decimal("0.05"),
        page="p",
        per_reference=Decimal("0.002"),
        per_search=Decimal("0.014"),
    )

    full_price = price.of(CUP._replace(references=2, searches=True))

    amounts = (full_price.floor, full_price.expected, full_price.ceiling)
    assert amounts == (Decimal("0.034"), Decimal("0.044"), Decimal("0.068"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, CUP, id="plain"),
        pytest.param({"service_tier": "default"}, CUP, id="the-usual-tier"),
        pytest.param(
            {"service_tier": "priority"}, CUP._replace(tier="priority"), id="priority"
        ),
        pytest.param(
            {"official_fallback": True}, CUP._replace(tier="official"), id="official"
        ),
        pytest.param({"web_search": True}, CUP._replace(searches=True), id="search"),
        pytest.param({"web_search": False}, CUP, id="no-search"),
    ],
)
def test_a_sale_is_what_decides_the_price(
    options: dict[str, OptionValue], expected: PriceKey
) -> None:
    request = ImageRequest(prompt="a cup", options=options)

    assert PriceKey.of("acme", request, "acme-1", "1K") == expected


# -- what a provider can do


@pytest.mark.parametrize(
    ("request_", "column"),
    [
        pytest.param(ImageRequest(prompt="a"), None, id="nothing-stated"),
        pytest.param(
            ImageRequest(prompt="a", aspect_ratio="16:9", resolution="2K", n=9),
            None,
            id="all-of-it",
        ),
        pytest.param(ImageRequest(prompt="a", aspect_ratio="8:1"), "aspect_ratio"),
        pytest.param(ImageRequest(prompt="a", resolution="4K"), "resolution"),
        pytest.param(
            ImageRequest(prompt="a", references=("https://x",) * 3), "references"
        ),
        pytest.param(
            ImageRequest(prompt="a", options={"temperature": 1.5}), "temperature"
        ),
        pytest.param(
            ImageRequest(prompt="a", options={"output_format": "gif"}), "output_format"
        ),
        pytest.param(
            ImageRequest(prompt="a", options={"image_search": True}), "image_search"
        ),
        pytest.param(
            ImageRequest(prompt="a", options={"web_search": False}), None, id="option"
        ),
    ],
)
def test_what_a_provider_cannot_do_is_told_by_column(
    request_: ImageRequest, column: str | None
) -> None:
    columns = [name for name, _ in ABLE.unsupported(request_)]

    assert columns == ([] if column is None else [column])


def test_every_misfit_of_a_row_is_told_at_once() -> None:
    bad = ImageRequest(prompt="a", aspect_ratio="8:1", resolution="4K")

    reasons = dict(ABLE.unsupported(bad))

    assert reasons == {
        "aspect_ratio": "has no 8:1 (it has 1:1, 16:9)",
        "resolution": "has no 4K (it has 1K, 2K)",
    }


def test_sizes_grow_with_the_resolution_and_keep_their_ratio() -> None:
    for ratio, (width, height) in PIXELS_AT_1K.items():
        sizes = [pixel_size(ratio, resolution) for resolution in RESOLUTIONS]
        assert sizes == [
            (width // 2, height // 2),
            (width, height),
            (2 * width, 2 * height),
            (4 * width, 4 * height),
        ]
        left, _, right = ratio.partition(":")
        assert width / height == pytest.approx(int(left) / int(right), rel=0.05)

    assert pixel_size("auto", "1K") is None
    assert pixel_size("1:1", "8K") is None


# -- states and words


def test_every_state_but_the_first_can_be_reached_and_has_its_steps_listed() -> None:
    reached = {state for ends in NEXT.values() for state in ends}

    assert set(NEXT) == set(State)
    assert reached == set(State) - {State.SENT}


def test_the_words_of_the_table_are_those_of_the_contract() -> None:
    assert {status.value for status in Status} == {
        "pending",
        "succeeded",
        "failed",
        "refused",
        "invalid",
        "held",
    }
    assert [basis.value for basis in Basis] == [
        "none",
        "reported",
        "billed",
        "price_list",
        "unknown",
    ]
    assert {member.value for member in Charge} == {member.value for member in Basis}


def test_a_key_is_never_shown() -> None:
    endpoint = Endpoint("https://api.example", "sk-secret")
    call = Call(method="GET", url="https://x", headers={"authorization": "sk-secret"})

    assert "sk-secret" not in repr(endpoint)
    assert "sk-secret" not in repr(call)


def test_a_request_can_be_sent_to_another_process() -> None:
    row = ImageRequest(prompt="é", references=("https://x",), options={"top_k": 3})

    assert pickle.loads(pickle.dumps(row)) == row


def test_options_have_types_that_a_cell_can_be_read_as() -> None:
    assert set(type_of_option.values()) <= {str, int, float, bool}


# -- where requests go


@pytest.mark.parametrize(
    ("base_url", "path", "url"),
    [
        pytest.param("https://a.b", "/v1/images", "https://a.b/v1/images", id="host"),
        pytest.param(
            "https://a.b/v1", "/v1/images", "https://a.b/v1/images", id="said-twice"
        ),
        pytest.param(
            "https://a.b/x/v1", "/v1/i/g", "https://a.b/x/v1/i/g", id="behind-a-prefix"
        ),
        pytest.param(
            "https://a.b/v11", "/v1/i", "https://a.b/v11/v1/i", id="another-word"
        ),
        pytest.param("https://a.b/api", "/v1/i", "https://a.b/api/v1/i", id="neither"),
    ],
)
def test_a_base_url_may_end_with_what_the_path_begins_with(
    base_url: str, path: str, url: str
) -> None:
    assert Endpoint(base_url, "k").at(path) == url


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_job_may_send_purchases_to_another_path(name: str) -> None:
    provider = PROVIDERS[name]
    there = Endpoint("https://a.example", "k", "beta/make")

    call = provider.encode(ImageRequest(prompt="a"), "m", there)

    assert call.url == "https://a.example/beta/make"
