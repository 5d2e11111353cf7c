"""A rule about empty cells binds rows for which nothing was sent yet, and no others."""

from __future__ import annotations

import pytest

from batchgen.errors import UsageError
from batchgen.model import Status
from tests.runs.desk import Desk, statuses
from tests.runs.shop import Shop, refused

pytestmark = pytest.mark.anyio

BOTH = "{{ Title }} in {{ Colour }}"


async def leave_a_task(desk: Desk, prompt: str, empty: str = "") -> None:
    """Let a run end with a task of the first row that is accepted and not fetched."""
    before, desk.shop.poll = desk.shop.poll, lambda _: refused(401, "bad key")
    await desk.run(prompt=prompt, limit=1, empty=empty or None)
    desk.shop.poll = before
    desk.shop.requests.clear()


async def test_a_task_of_a_row_that_is_to_be_skipped_by_now_is_fetched(
    desk: Desk, shop: Shop
) -> None:
    desk.write_columns(Title=["cup", "mug"], Colour=["", ""])
    await leave_a_task(desk, BOTH, empty="buy")

    outcome = await desk.run(prompt=BOTH, empty="skip")

    assert statuses(outcome) == {Status.SUCCEEDED: 1, Status.INVALID: 1}
    assert [row["status"] for row in desk.table()] == ["succeeded", "invalid"]
    assert shop.buys == []
    desk.check_money()


async def test_a_task_that_was_accepted_before_the_rule_came_is_fetched(
    desk: Desk, shop: Shop
) -> None:
    # A text without columns makes the prompt that the template made before the rule.
    desk.write_columns(Title=["", "", "cup"])
    await leave_a_task(desk, "Photo of ")

    outcome = await desk.run(prompt="Photo of {{ Title }}", empty="skip")

    assert [row["status"] for row in desk.table()] == [
        "succeeded",
        "invalid",
        "succeeded",
    ]
    assert statuses(outcome) == {Status.SUCCEEDED: 2, Status.INVALID: 1}
    assert len(shop.buys) == 1
    desk.check_money()


async def test_without_a_word_nothing_more_is_sent_and_the_task_is_kept(
    desk: Desk, shop: Shop
) -> None:
    desk.write_columns(Title=["cup", "mug"], Colour=["", ""])
    await leave_a_task(desk, BOTH, empty="buy")

    with pytest.raises(BaseExceptionGroup) as caught:
        await desk.run(prompt=BOTH)

    assert caught.group_contains(UsageError, match="2 of 2 rows lack a value")
    assert shop.buys == []
    outcome = await desk.run(prompt=BOTH, limit=1)
    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    desk.check_money()
