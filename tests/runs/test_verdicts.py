"""One row's answer is a verdict on one row; several in turn are one on the provider."""

from __future__ import annotations

import base64

import anyio
import pytest

from batchgen.errors import (
    CredentialRejected,
    ModelGone,
    OutOfCredit,
    UnusableReplies,
)
from batchgen.model import Status
from tests.runs.desk import Desk, rows, statuses
from tests.runs.shop import Answer, Request, Shop, as_json, refused

pytestmark = pytest.mark.anyio

CREDITS = 178_975
AT_ONCE = 16
NOT_FOUND = refused(404, "The entity that was asked for was not found.")
FORBIDDEN = refused(403, "forbidden")
BAD_KEY = refused(401, "invalid api key")
NO_CREDIT = refused(402, "insufficient balance")
NONSENSE = as_json({"data": [{"file_ref": "f-1"}]})


@pytest.fixture
def desk(desk: Desk, shop: Shop) -> Desk:
    desk.provider = "aimlapi"
    shop.buy = shop.sells(CREDITS)
    return desk


def poison(shop: Shop, answer: Answer, *prompts: str) -> None:
    """Answer these prompts so, and sell to all others."""
    sell = shop.sells(CREDITS)

    def buy(request: Request) -> Answer:
        return answer if request.body["prompt"] in prompts else sell(request)

    shop.buy = buy


# -- before anything has worked


@pytest.mark.parametrize("answer", [BAD_KEY, NO_CREDIT], ids=["key", "credit"])
async def test_a_wrong_key_costs_one_request_and_not_one_a_slot(
    desk: Desk, shop: Shop, answer: Answer
) -> None:
    desk.write(*rows(40))
    shop.buy = lambda _: answer

    outcome = await desk.run(terms=desk.wide("aimlapi", AT_ONCE))

    assert statuses(outcome) == {Status.PENDING: 40}
    assert len(shop.buys) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(NOT_FOUND, ModelGone), (FORBIDDEN, CredentialRejected)],
    ids=["404", "403"],
)
async def test_what_may_be_one_rows_own_stops_at_the_second_row(
    desk: Desk, shop: Shop, answer: Answer, kind: type[Exception]
) -> None:
    desk.write(*rows(40))
    shop.buy = lambda _: answer

    outcome = await desk.run(terms=desk.wide("aimlapi", AT_ONCE))

    assert [type(error) for error in outcome.stopped] == [kind]
    assert statuses(outcome) == {Status.PENDING: 40}
    assert len(shop.buys) == 2


async def test_a_table_of_one_row_is_no_proof_against_the_row(
    desk: Desk, shop: Shop
) -> None:
    desk.write("cup")
    shop.buy = lambda _: NOT_FOUND

    outcome = await desk.run()

    assert [type(error) for error in outcome.stopped] == [ModelGone]
    assert statuses(outcome) == {Status.PENDING: 1}
    assert len(shop.buys) == 2


@pytest.mark.parametrize("at_once", [1, 4])
async def test_the_parts_of_one_row_are_no_different_rows(
    desk: Desk, shop: Shop, at_once: int
) -> None:
    desk.write_columns(prompt=rows(4), n=[3] * 4)
    poison(shop, FORBIDDEN, "row 0")

    outcome = await desk.run(terms=desk.wide("aimlapi", at_once))

    assert outcome.stopped == []
    assert statuses(outcome) == {Status.SUCCEEDED: 3, Status.FAILED: 1}


async def test_rows_that_are_refused_for_different_reasons_are_not_asked_without_end(
    desk: Desk, shop: Shop
) -> None:
    desk.write("cup", "pot")
    shop.buy = lambda request: (
        FORBIDDEN if request.body["prompt"] == "cup" else NOT_FOUND
    )

    with anyio.fail_after(10):
        outcome = await desk.run()

    assert [type(error) for error in outcome.stopped] == [CredentialRejected]
    assert statuses(outcome) == {Status.PENDING: 2}
    assert len(shop.buys) == 3


async def test_rows_wait_again_when_the_question_for_a_task_is_the_third_refusal(
    desk: Desk, shop: Shop
) -> None:
    desk.provider, shop.buy = "foxapi", shop.accept
    desk.write("done", "left", "cup", "pot")
    bad_key = refused(401, "bad key")
    shop.poll = lambda request: (
        shop.complete(request) if request.name == "task-1" else bad_key
    )
    await desk.run(limit=2)
    shop.buy = lambda _: FORBIDDEN
    shop.poll = lambda request: shop.running(request) if len(shop.buys) < 4 else bad_key

    outcome = await desk.run(terms=desk.wide("foxapi", 2))

    assert [type(error) for error in outcome.stopped] == [CredentialRejected]
    assert statuses(outcome) == {Status.SUCCEEDED: 1, Status.PENDING: 3}


@pytest.mark.parametrize("at", [0, 3, 7], ids=["first", "middle", "last"])
@pytest.mark.parametrize("answer", [NOT_FOUND, FORBIDDEN], ids=["404", "403"])
async def test_one_row_that_is_refused_ends_alone(
    desk: Desk, shop: Shop, answer: Answer, at: int
) -> None:
    desk.write(*rows(8))
    poison(shop, answer, f"row {at}")

    outcome = await desk.run(terms=desk.wide("aimlapi", 4))

    assert outcome.stopped == []
    assert statuses(outcome) == {Status.SUCCEEDED: 7, Status.FAILED: 1}
    row = desk.table()[at]
    assert (row["status"], row["error"]) == ("failed", "request_invalid")
    assert row["message"]
    desk.check_money()


async def test_a_row_that_stopped_a_run_is_not_asked_first_by_the_next(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*rows(4))
    shop.buy = lambda _: NOT_FOUND
    assert statuses(await desk.run()) == {Status.PENDING: 4}
    assert shop.prompts == ["row 0", "row 1"]
    shop.requests.clear()
    poison(shop, NOT_FOUND, "row 0")

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 3, Status.FAILED: 1}
    assert shop.prompts[:2] == ["row 2", "row 3"]
    desk.check_money()


# -- later


@pytest.mark.parametrize("answer", [NOT_FOUND, FORBIDDEN], ids=["404", "403"])
async def test_three_rows_in_turn_stop_it_and_wait_again(
    desk: Desk, shop: Shop, answer: Answer
) -> None:
    desk.write(*rows(12))
    sell = shop.sells(CREDITS)
    shop.buy = lambda request: sell(request) if len(shop.buys) <= 4 else answer

    outcome = await desk.run(terms=desk.wide("aimlapi", 1))

    assert len(outcome.stopped) == 1
    assert statuses(outcome) == {Status.SUCCEEDED: 4, Status.PENDING: 8}
    assert len(shop.buys) == 7
    shop.buy = sell
    assert statuses(await desk.run()) == {Status.SUCCEEDED: 12}
    assert {row["attempts"] for row in desk.table()} == {1}
    desk.check_money()


async def test_rows_that_fail_among_others_that_work_never_stop_it(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*rows(30))
    poison(shop, NOT_FOUND, *(f"row {index}" for index in range(30) if index % 3 != 0))

    outcome = await desk.run(terms=desk.wide("aimlapi", 1), max_failures=None)

    assert outcome.stopped == []
    assert statuses(outcome) == {Status.SUCCEEDED: 10, Status.FAILED: 20}


async def test_words_about_credit_end_no_row(desk: Desk, shop: Shop) -> None:
    desk.write(*rows(6))
    poison(shop, NO_CREDIT, "row 1")

    with anyio.fail_after(30):
        outcome = await desk.run(terms=desk.wide("aimlapi", 2))

    assert [type(error) for error in outcome.stopped] == [OutOfCredit]
    assert statuses(outcome) == {Status.SUCCEEDED: 5, Status.PENDING: 1}
    assert shop.prompts.count("row 1") == 3


async def test_what_works_with_one_key_proves_nothing_for_another(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*rows(1))
    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}
    desk.write(*rows(20))
    shop.requests.clear()
    shop.buy = lambda _: BAD_KEY
    desk.key_suffix = "-other"

    await desk.run(terms=desk.wide("aimlapi", AT_ONCE))

    assert len(shop.buys) == 1
    for path in desk.out.iterdir():
        assert b"key-of-aimlapi" not in path.read_bytes(), path.name


async def test_a_model_that_has_worked_is_only_busy(desk: Desk, shop: Shop) -> None:
    desk.write(*rows(8))
    sell = shop.sells(CREDITS)
    busy = refused(503, "model_not_found: no available channel for this model")
    shop.buy = lambda request: busy if 3 <= len(shop.buys) <= 5 else sell(request)

    outcome = await desk.run(terms=desk.wide("aimlapi", 1))

    assert outcome.stopped == []
    assert statuses(outcome) == {Status.SUCCEEDED: 8}


async def test_a_model_that_never_worked_stops_it_whatever_the_status(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*rows(8))
    shop.buy = lambda _: refused(503, "model_not_found: no such model")

    outcome = await desk.run(terms=desk.wide("aimlapi", 4))

    assert [type(error) for error in outcome.stopped] == [ModelGone]
    assert len(shop.buys) == 2


# -- what nobody can use


async def test_three_rows_in_turn_that_bring_nothing_usable_stop_it(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*rows(20))
    shop.buy = lambda _: NONSENSE

    outcome = await desk.run(terms=desk.wide("aimlapi", AT_ONCE))

    assert [type(error) for error in outcome.stopped] == [UnusableReplies]
    assert statuses(outcome) == {Status.FAILED: 3, Status.PENDING: 17}
    assert len(shop.buys) == 3


async def test_bytes_that_are_no_image_do_not_buy_the_table(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*rows(20))
    svg = base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode()
    shop.buy = lambda _: as_json({"data": [{"b64_json": svg}]})

    outcome = await desk.run(terms=desk.wide("aimlapi", AT_ONCE))

    assert [type(error) for error in outcome.stopped] == [UnusableReplies]
    assert len(shop.buys) == 3


async def test_useless_answers_among_tasks_under_way_stop_nothing(
    desk: Desk, shop: Shop
) -> None:
    desk.provider = "foxapi"
    desk.write(*rows(12))
    shop.poll = lambda request: (
        shop.complete(request) if len(shop.buys) == 12 else shop.running(request)
    )
    odd = {"row 1", "row 4", "row 7"}
    shop.buy = lambda request: (
        NONSENSE if request.body["prompt"] in odd else shop.accept(request)
    )

    outcome = await desk.run(terms=desk.wide("foxapi", AT_ONCE))

    assert outcome.stopped == []
    assert statuses(outcome) == {Status.SUCCEEDED: 9, Status.FAILED: 3}


async def test_tasks_that_are_accepted_and_never_usable_stop_it(
    desk: Desk, shop: Shop
) -> None:
    desk.provider, shop.buy = "foxapi", shop.accept
    desk.write(*rows(12))
    shop.poll = lambda _: as_json({"weird": 1})

    outcome = await desk.run(terms=desk.wide("foxapi", 1))

    assert [type(error) for error in outcome.stopped] == [UnusableReplies]
    assert statuses(outcome) == {Status.FAILED: 3, Status.PENDING: 9}


async def test_answers_without_an_image_do_not_buy_the_table(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*rows(20))
    shop.buy = lambda _: as_json({"data": [], "note": "thank you"})

    outcome = await desk.run(terms=desk.wide("aimlapi", AT_ONCE))

    assert [type(error) for error in outcome.stopped] == [UnusableReplies]
    assert len(shop.buys) == 3


async def test_useless_answers_among_images_stop_nothing(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*rows(12))
    poison(shop, NONSENSE, *(f"row {index}" for index in range(12) if index % 3 != 2))

    outcome = await desk.run(terms=desk.wide("aimlapi", 1))

    assert outcome.stopped == []
    assert statuses(outcome) == {Status.SUCCEEDED: 4, Status.FAILED: 8}


# -- a pace that is one row's own


async def test_a_row_that_is_throttled_alone_again_and_again_ends(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*rows(30))
    slow = refused(429, "too many tokens for you", retry_after="0.01")
    poison(shop, slow, "row 2")

    with anyio.fail_after(30):
        outcome = await desk.run(terms=desk.wide("aimlapi", 1))

    assert statuses(outcome) == {Status.SUCCEEDED: 29, Status.FAILED: 1}
    assert "too many tokens for you" in desk.table()[2]["message"]
    desk.check_money()
