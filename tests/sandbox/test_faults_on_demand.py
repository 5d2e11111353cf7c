from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.sandbox.buyer import Buyer, links_of


def queue(buyer: Buyer, fault: str, times: int = 1) -> None:
    buyer.sandbox.queue_fault(buyer.provider, fault, times)


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("throttle", {429}),
        ("throttle_silent", {429}),
        ("server_error", {500, 503}),
        ("html_error", {502}),
        ("wrong_key", {400, 401, 403}),
        ("no_credit", {400, 402, 403, 429}),
        ("model_gone", {400, 403, 404, 422}),
    ],
)
def test_a_request_that_gets_an_error_is_not_charged(
    anyone: Buyer, fault: str, statuses: set[int]
) -> None:
    before = anyone.billed()
    queue(anyone, fault, times=2)

    replies = [anyone.buy(f"{fault} {number}") for number in range(3)]

    # One of them has an error with a 200, told apart by its code alone.
    assert {
        reply.status_code
        for reply in replies[:2]
        if reply.status_code != 200 or not reply.json().get("code")
    } <= statuses
    assert replies[2].is_success
    charged = {sale["prompt"] for sale in anyone.billed()[len(before) :]}
    assert charged == {f"{fault} 2"}
    assert anyone.outcomes()[f"{fault} 0"] == fault


def test_a_throttle_says_how_long_to_wait_unless_it_is_silent(buyer: Buyer) -> None:
    queue(buyer, "throttle")
    queue(buyer, "throttle_silent")

    with_hint, without_hint = buyer.buy(), buyer.buy()

    assert with_hint.headers["retry-after"] == "1"
    assert "retry-after" not in without_hint.headers


def test_a_gateway_error_is_a_page_of_html(anyone: Buyer) -> None:
    queue(anyone, "html_error")

    reply = anyone.buy()

    assert reply.headers["content-type"].startswith("text/html")
    assert "Bad Gateway" in reply.text


@pytest.mark.parametrize(
    ("fault", "billed_as"), [("lost_before", []), ("lost_reply", ["lost"])]
)
def test_a_lost_reply_is_charged_and_a_lost_request_is_not(
    anyone: Buyer, fault: str, billed_as: list[str]
) -> None:
    queue(anyone, fault)

    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        anyone.buy(f"{anyone.provider} {fault}")

    lost = [
        sale["status"]
        for sale in anyone.billed()
        if sale["prompt"] == f"{anyone.provider} {fault}"
    ]
    assert lost == billed_as


def test_a_cut_body_is_charged(anyone: Buyer) -> None:
    queue(anyone, "cut_body")

    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        anyone.buy(f"{anyone.provider} cut")

    sale = anyone.billed()[-1]
    assert (sale["prompt"], sale["status"]) == (f"{anyone.provider} cut", "lost")


def test_a_malformed_reply_is_charged(anyone: Buyer) -> None:
    queue(anyone, "malformed")

    reply = anyone.buy(f"{anyone.provider} malformed")

    assert reply.status_code == 200
    with pytest.raises(ValueError, match=r"Expecting value|decode"):
        reply.json()
    assert anyone.billed()[-1]["status"] == "lost"


def test_aimlapi_without_an_image_still_charges(aimlapi: Buyer) -> None:
    queue(aimlapi, "no_image")

    document = aimlapi.buy("no image").json()

    assert document["data"] == []
    assert document["meta"]["usage"]["credits_used"] > 0
    assert aimlapi.billed()[-1]["status"] == "no_image"


def test_foxapi_without_an_image_is_completed_for_ever_and_charges(
    foxapi: Buyer,
) -> None:
    queue(foxapi, "no_image")
    task_id = foxapi.buy("no image").json()["id"]

    polls = [foxapi.poll(task_id).json() for _ in range(3)]

    assert {poll["status"] for poll in polls} == {"completed"}
    assert not any(map(links_of, polls))
    assert foxapi.billed()[-1]["status"] == "no_image"


def test_a_refusal_by_aimlapi_is_a_400_that_costs_nothing(aimlapi: Buyer) -> None:
    before = aimlapi.billed()
    queue(aimlapi, "refusal")

    replies = [aimlapi.buy("mild"), aimlapi.buy("please REFUSE-ME now")]

    assert [reply.status_code for reply in replies] == [400, 400]
    assert "validation" not in replies[0].json()["message"]
    assert aimlapi.billed() == before


def test_a_refusal_by_foxapi_is_a_failed_task_that_costs_nothing(
    foxapi: Buyer,
) -> None:
    before = foxapi.billed()
    queue(foxapi, "refusal")

    bought = [foxapi.buy("mild"), foxapi.buy("please REFUSE-ME now")]
    tasks = [foxapi.wait(reply.json()["id"]) for reply in bought]

    for task in tasks:
        assert task["status"] == "failed"
        assert task["error"]["code"] == "content_policy_violation"
        assert task["error"]["type"] == "task_error"
    assert foxapi.billed() == before


def test_a_failed_generation_costs_nothing(foxapi: Buyer) -> None:
    before = foxapi.billed()
    queue(foxapi, "generation_failed")

    task = foxapi.wait(foxapi.buy("unlucky").json()["id"])

    assert (task["status"], task["error"]["code"]) == ("failed", "generation_failed")
    assert foxapi.billed() == before


def test_a_task_can_be_unknown_for_a_while(foxapi: Buyer) -> None:
    task_id = foxapi.buy("forgotten").json()["id"]
    queue(foxapi, "task_unknown")

    statuses = [foxapi.poll(task_id).status_code for _ in range(2)]

    assert statuses == [404, 200]


def test_a_cut_download_works_when_tried_again(buyer: Buyer) -> None:
    link = buyer.link("a cut plate")
    queue(buyer, "cut_download")

    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        buyer.download(link)

    assert buyer.download(link).status_code == 200


def test_an_expired_link_of_foxapi_is_renewed_by_a_poll(foxapi: Buyer) -> None:
    task_id = foxapi.buy("an old plate").json()["id"]
    [link] = links_of(foxapi.wait(task_id))
    queue(foxapi, "expired_link")

    refused = [foxapi.download(link).status_code for _ in range(2)]
    [fresh] = links_of(foxapi.wait(task_id))

    assert set(refused) <= {403, 404}
    assert fresh != link
    assert foxapi.download(fresh).status_code == 200
    assert foxapi.download(link).status_code == 403


def test_an_expired_link_of_aimlapi_works_later(aimlapi: Buyer) -> None:
    link = aimlapi.link("an old plate")
    queue(aimlapi, "expired_link")

    statuses = [aimlapi.download(link).status_code for _ in range(2)]

    assert statuses[0] in (403, 404)
    assert statuses[1] == 200


def test_a_link_can_be_gone_for_good(foxapi: Buyer) -> None:
    task_id = foxapi.buy("a lost plate").json()["id"]
    [link] = links_of(foxapi.wait(task_id))
    queue(foxapi, "gone_link")

    foxapi.download(link)
    [again] = links_of(foxapi.wait(task_id))

    assert foxapi.download(again).status_code in (403, 404)


def test_a_slow_reply_is_held_until_it_is_released(anyone: Buyer) -> None:
    queue(anyone, "slow", times=2)
    with ThreadPoolExecutor(2) as pool:
        replies = [pool.submit(anyone.buy, f"slow {number}") for number in range(2)]
        while anyone.sandbox.faults()["held"] < 2:
            assert not any(reply.done() for reply in replies)

        anyone.sandbox.release()

        assert [reply.result().is_success for reply in replies] == [True, True]
    assert anyone.sandbox.faults()["held"] == 0


def test_a_fault_waits_for_a_request_that_fits(aimlapi: Buyer, foxapi: Buyer) -> None:
    queue(aimlapi, "throttle", times=3)
    queue(aimlapi, "cut_download")

    others = foxapi.buy("not meant")
    throttled = aimlapi.buy("meant")

    assert (others.status_code, throttled.status_code) == (200, 429)
    assert aimlapi.sandbox.faults()["queued"] == [
        {"provider": "aimlapi", "fault": "throttle", "times": 2},
        {"provider": "aimlapi", "fault": "cut_download", "times": 1},
    ]
    assert [aimlapi.buy(str(number)).status_code for number in range(2)] == [429, 429]
    with pytest.raises(httpx.RemoteProtocolError):
        aimlapi.download(aimlapi.link("a fork"))
    assert aimlapi.sandbox.faults()["queued"] == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"provider": "aimlapi", "fault": "melt"}, id="fault"),
        pytest.param({"provider": "nobody", "fault": "throttle"}, id="provider"),
        pytest.param({"provider": "aimlapi", "fault": "task_unknown"}, id="no-tasks"),
        pytest.param(
            {"provider": "aimlapi", "fault": "throttle", "times": 0}, id="times"
        ),
        pytest.param(
            {"provider": "aimlapi", "fault": "throttle", "often": 2}, id="field"
        ),
        pytest.param([], id="list"),
    ],
)
def test_a_fault_that_does_not_exist_is_400(aimlapi: Buyer, body: object) -> None:
    reply = aimlapi.client.post(f"{aimlapi.sandbox.url}/_sandbox/faults", json=body)

    assert reply.status_code == 400
    assert reply.json()["error"]
