from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from batchgen.sandbox import start_sandbox
from batchgen.sandbox.faults import Fault, Faults, Occasion, Profile
from batchgen.sandbox.services import SERVICES
from tests.sandbox.buyer import Buyer, buyer_at

PROMPTS = [f"product {number}" for number in range(100)]


def buy_whatever_comes(buyer: Buyer, prompt: str) -> None:
    # A lost reply is one of the faults; the sandbox itself says which it was.
    with suppress(httpx.RemoteProtocolError):
        buyer.buy(prompt)


def outcomes(
    state: Path, provider: str, *, faults: Profile, seed: int, prompts: list[str]
) -> dict[str, str]:
    with (
        start_sandbox(state, faults=faults, seed=seed, latency=0) as sandbox,
        buyer_at(sandbox, provider) as buyer,
        ThreadPoolExecutor(8) as pool,
    ):
        list(pool.map(lambda prompt: buy_whatever_comes(buyer, prompt), prompts))
        return buyer.outcomes()


@pytest.mark.parametrize("provider", list(SERVICES))
def test_a_seed_replays_in_any_order(tmp_path: Path, provider: str) -> None:
    shuffled = random.Random(1).sample(PROMPTS, len(PROMPTS))

    first = outcomes(tmp_path / "1", provider, faults="storm", seed=3, prompts=PROMPTS)
    second = outcomes(
        tmp_path / "2", provider, faults="storm", seed=3, prompts=shuffled
    )

    assert first == second
    assert len(set(first.values())) > 3


def test_an_outage_is_a_stretch_of_the_stream(tmp_path: Path) -> None:
    with (
        start_sandbox(tmp_path, faults="outage", latency=0) as sandbox,
        buyer_at(sandbox, "aimlapi") as buyer,
    ):
        for prompt in PROMPTS:
            buy_whatever_comes(buyer, prompt)
        requests = sandbox.requests()

    within = {
        request["outcome"] for request in requests if 40 <= request["number"] <= 90
    }
    without = {
        request["outcome"] for request in requests if not 40 <= request["number"] <= 90
    }
    assert within == {"lost_before", "server_error", "html_error"}
    assert without == {"delivered"}


def occasion(number: int, *, occurrence: int = 1, times: int = 1) -> Occasion:
    return Occasion(
        provider="foxapi", content=str(number), occurrence=occurrence, number=times
    )


def test_a_storm_has_the_promised_mixture() -> None:
    faults = Faults("storm", seed=0)
    many = range(20_000)

    purchases = Counter(faults.at_purchase(occasion(number)) for number in many)
    downloads = Counter(faults.at_download(occasion(number)) for number in many)
    refused = sum(faults.refuses(str(number), "a lamp") for number in many)

    percent = {
        fault: round(100 * count / len(many), 1)
        for fault, count in (purchases + downloads).items()
    }
    throttled = percent[Fault.THROTTLE] + percent[Fault.THROTTLE_SILENT]
    assert throttled == pytest.approx(5, abs=0.5)
    assert percent[Fault.SERVER_ERROR] == pytest.approx(5, abs=0.5)
    assert percent[Fault.HTML_ERROR] == pytest.approx(2, abs=0.3)
    assert percent[Fault.LOST_REPLY] == pytest.approx(2, abs=0.3)
    assert percent[Fault.GENERATION_FAILED] == pytest.approx(2, abs=0.3)
    assert percent[Fault.CUT_DOWNLOAD] == pytest.approx(5, abs=0.5)
    assert percent[Fault.EXPIRED_LINK] == pytest.approx(0.9, abs=0.2)
    assert percent[Fault.GONE_LINK] == pytest.approx(0.1, abs=0.1)
    assert 100 * refused / len(many) == pytest.approx(5, abs=0.5)


def test_where_images_come_in_the_reply_it_is_the_reply_that_a_storm_cuts() -> None:
    faults = Faults("storm", seed=0)
    outside = [occasion(number) for number in range(20_000)]
    inline = [replace(purchase, is_inline=True) for purchase in outside]

    before = [faults.at_purchase(purchase) for purchase in outside]
    purchases = [faults.at_purchase(purchase) for purchase in inline]

    cut = purchases.count(Fault.CUT_BODY)
    assert 100 * cut / len(purchases) == pytest.approx(5, abs=0.5)
    # All other faults are the same ones.
    assert [None if fault is Fault.CUT_BODY else fault for fault in purchases] == before


def test_another_seed_and_another_try_have_other_faults() -> None:
    def pattern(seed: int, occurrence: int) -> list[Fault | None]:
        faults = Faults("storm", seed)
        return [
            faults.at_purchase(occasion(number, occurrence=occurrence))
            for number in range(500)
        ]

    assert pattern(1, 1) == pattern(1, 1)
    assert pattern(1, 1) != pattern(2, 1)
    assert pattern(1, 1) != pattern(1, 2)


def test_a_refusal_is_for_ever_under_any_try() -> None:
    faults = Faults("storm", seed=0)

    refused = [number for number in range(500) if faults.refuses(str(number), "a")]

    assert refused == [n for n in range(500) if faults.refuses(str(n), "a")]
    assert Faults("calm", seed=0).refuses("0", "REFUSE-ME")


def test_calm_has_no_fault() -> None:
    faults = Faults("calm", seed=0)

    assert {faults.at_purchase(occasion(number)) for number in range(2_000)} == {None}
    assert {faults.at_download(occasion(number)) for number in range(2_000)} == {None}


def test_a_link_that_was_good_stays_good() -> None:
    faults = Faults("storm", seed=0)

    later = {faults.at_download(occasion(number, times=2)) for number in range(5_000)}

    assert later == {None, Fault.CUT_DOWNLOAD}
