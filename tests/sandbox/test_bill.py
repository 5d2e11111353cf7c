from __future__ import annotations

import csv
import re
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

from batchgen.sandbox import start_sandbox
from batchgen.sandbox.services import SERVICES
from tests.sandbox.buyer import Buyer, buyer_at

PROMPTS = [f"product {number}" for number in range(60)]


def test_what_aimlapi_reports_is_the_bill_to_the_nano_dollar(tmp_path: Path) -> None:
    with (
        start_sandbox(tmp_path, latency=0) as sandbox,
        buyer_at(sandbox, "aimlapi") as buyer,
        ThreadPoolExecutor(8) as pool,
    ):
        replies = list(pool.map(buyer.buy, PROMPTS))
        bill = sandbox.bill()

    documents = [reply.json() for reply in replies]
    credits_used = [
        Decimal(str(document["meta"]["usage"]["credits_used"]))
        for document in documents
    ]
    assert Decimal(bill["total_usd"]) == sum(credits_used) / 2_000_000
    assert bill["total_nano_usd"] == sum(credits_used) * 500
    assert re.fullmatch(r"\d+\.\d{9}", bill["total_usd"])
    assert any(credit % 1 for credit in credits_used)
    by_id = {sale["id"]: sale for sale in bill["entries"]}
    for reply, credit in zip(replies, credits_used, strict=True):
        sale = by_id[reply.headers["x-inference-id"]]
        assert Decimal(sale["amount_usd"]) == credit / 2_000_000


def test_a_provider_exports_its_own_lines_of_the_bill(tmp_path: Path) -> None:
    with start_sandbox(tmp_path, latency=0) as sandbox:
        for name in ("aimlapi", "gemini"):
            with buyer_at(sandbox, name) as buyer:
                buyer.buy("a cup")
                buyer.buy("a lamp")

        exported = sandbox.bill_as_csv("gemini").decode()

        entries = sandbox.bill("gemini")["entries"]
    lines = list(csv.DictReader(exported.splitlines()))
    assert [(line["id"], line["time"], line["amount"]) for line in lines] == [
        (sale["id"], sale["time"], sale["amount_usd"]) for sale in entries
    ]
    assert len(lines) == 2


def test_aimlapi_sends_links_and_now_and_then_base64(aimlapi: Buyer) -> None:
    images = [aimlapi.buy(prompt).json()["data"][0] for prompt in PROMPTS]

    as_base64 = [image for image in images if image["b64_json"]]
    assert 2 <= len(as_base64) <= 15
    assert all((image["url"] is None) == (image in as_base64) for image in images)


@pytest.mark.parametrize("resolution", ["1K", "2K", "4K"])
def test_aimlapi_charges_within_its_tariff_and_not_always_the_same(
    aimlapi: Buyer, resolution: str
) -> None:
    fare = aimlapi.sandbox.tariff()["aimlapi"][resolution]
    for number in range(12):
        aimlapi.buy(f"item {number}", resolution=resolution)

    amounts = {
        Decimal(sale["amount_usd"])
        for sale in aimlapi.billed()
        if sale["resolution"] == resolution
    }

    expected = Decimal(fare["expected_usd"])
    assert Decimal(fare["ceiling_usd"]) == expected * Decimal("1.05")
    assert expected * Decimal("0.95") <= min(amounts)
    assert max(amounts) <= Decimal(fare["ceiling_usd"])
    assert len(amounts) > 1


@pytest.mark.parametrize("resolution", ["512", "0.5K", "1K", "2K", "4K"])
def test_foxapi_charges_exactly_its_tariff(foxapi: Buyer, resolution: str) -> None:
    tariff = foxapi.sandbox.tariff()["foxapi"]
    tabled = resolution.replace("0.5K", "512")

    task = foxapi.buy(f"a {resolution} lamp", resolution=resolution).json()
    ended = foxapi.wait(task["id"])

    [sale] = [sale for sale in foxapi.billed() if sale["id"] == task["id"]]
    assert sale["amount_usd"] == f"{Decimal(tariff[tabled]['ceiling_usd']):.9f}"
    assert (sale["resolution"], sale["status"]) == (tabled, "delivered")
    assert not {"cost", "usage", "credits_used"} & ended.keys()


def test_the_tariff_says_whose_it_is(aimlapi: Buyer) -> None:
    assert aimlapi.sandbox.tariff()["name"] == "the sandbox's own tariff"


def test_a_task_is_charged_when_it_is_done_not_before(tmp_path: Path) -> None:
    with (
        start_sandbox(tmp_path, latency=3600) as sandbox,
        buyer_at(sandbox, "foxapi") as foxapi,
    ):
        task = foxapi.buy().json()

        assert foxapi.poll(task["id"]).json()["status"] == "pending"
        assert sandbox.bill()["entries"] == []


def test_the_bill_can_be_had_for_one_provider(aimlapi: Buyer, foxapi: Buyer) -> None:
    aimlapi.buy()
    foxapi.wait(foxapi.buy().json()["id"])

    bills = {name: aimlapi.sandbox.bill(name) for name in SERVICES}

    for name, bill in bills.items():
        assert {sale["provider"] for sale in bill["entries"]} <= {name}
    assert bills["aimlapi"]["entries"]
    assert bills["foxapi"]["entries"]
    total = sum(bill["total_nano_usd"] for bill in bills.values())
    assert total == aimlapi.sandbox.bill()["total_nano_usd"]


def test_the_charge_is_on_the_bill_before_the_reply_leaves(aimlapi: Buyer) -> None:
    before = len(aimlapi.billed())
    aimlapi.sandbox.queue_fault("aimlapi", "slow")
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(aimlapi.buy, "a slow lamp")
        while not aimlapi.sandbox.faults()["held"]:
            assert not reply.done()

        assert len(aimlapi.billed()) == before + 1
        assert not reply.done()
        aimlapi.sandbox.release()

        assert reply.result().status_code == 200
