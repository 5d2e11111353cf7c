"""What an outage costs, and whose fault an unknown model is."""

from __future__ import annotations

import pytest

from batchgen.limits import CircuitBreaker
from batchgen.model import Status
from tests.runs.desk import Desk, statuses
from tests.runs.shop import LOST, PICTURE, Answer, Request, Shop, in_turn, refused

pytestmark = pytest.mark.anyio

CREDITS = 178_975
AT_ONCE = 4


@pytest.fixture
def desk(desk: Desk, shop: Shop) -> Desk:
    desk.provider = "aimlapi"
    shop.buy = shop.sells(CREDITS)
    return desk


@pytest.fixture
def quick_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CircuitBreaker, "FIRST_S", 0.02)
    monkeypatch.setattr(CircuitBreaker, "LONGEST_S", 0.05)
    monkeypatch.setattr(CircuitBreaker, "RISK_S", 0.1)


@pytest.mark.usefixtures("quick_breaker")
async def test_during_an_outage_one_purchase_at_a_time_is_tried(
    desk: Desk, shop: Shop
) -> None:
    desk.write(*(f"row {number}" for number in range(30)))
    away = 0

    def buy(request: Request) -> Answer:
        nonlocal away
        if 5 <= len(shop.buys) <= 20:
            away += 1
            return LOST
        return shop.sells(CREDITS)(request)

    shop.buy = buy

    outcome = await desk.run(
        max_unknown=30, max_attempts=40, terms=desk.wide("aimlapi", AT_ONCE)
    )

    assert statuses(outcome) == {Status.SUCCEEDED: 30}
    assert away == 16
    assert (
        sum("one test request now and then" in notice for notice in desk.notices) == 1
    )
    assert sum("answers again" in notice for notice in desk.notices) == 1
    desk.check_money()


GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body></body></html>"
PAGE = {"content-type": "text/html"}


@pytest.mark.usefixtures("quick_breaker")
@pytest.mark.parametrize(
    ("page", "quote"),
    [(GATEWAY, "502 Bad Gateway"), (b"<html><p>down</p></html>", "a web page")],
    ids=["titled", "plain"],
)
async def test_an_outage_is_told_by_the_title_of_the_gateway_s_page(
    desk: Desk, shop: Shop, page: bytes, quote: str
) -> None:
    desk.write(*(f"row {number}" for number in range(12)))

    def buy(request: Request) -> Answer:
        if 2 <= len(shop.buys) <= 9:
            return Answer(502, page, PAGE)
        return shop.sells(CREDITS)(request)

    shop.buy = buy

    await desk.run(max_unknown=30, max_attempts=40, terms=desk.wide("aimlapi", AT_ONCE))

    [notice] = [notice for notice in desk.notices if "does not answer" in notice]
    assert notice == (
        f"aimlapi does not answer ({quote}). Waiting; one test request now and then, "
        "at most every 10 minutes: rows wait, and carry on by themselves"
    )


@pytest.mark.parametrize("status", [429, 503])
async def test_a_long_wait_is_told(desk: Desk, shop: Shop, status: int) -> None:
    def later(request: Request) -> Answer:
        desk.handle.stop()
        return refused(status, "later", retry_after="7200")

    shop.buy = later

    outcome = await desk.run()

    assert statuses(outcome) == {Status.PENDING: 1}
    (notice,) = desk.notices
    assert notice.startswith('aimlapi: "')
    assert '". aimlapi lets nothing through for an hour or more: rows wait' in notice


@pytest.mark.usefixtures("quick_breaker")
async def test_a_task_that_is_accepted_after_an_outage_lets_the_others_leave(
    desk: Desk, shop: Shop
) -> None:
    desk.provider = "foxapi"
    desk.write(*(f"row {number}" for number in range(12)))
    lost = [LOST] * (CircuitBreaker.TRIP + 1)
    shop.buy = in_turn(*lost, shop.accept)
    max_open = 0

    def poll(request: Request) -> Answer:
        nonlocal max_open
        accepted = len(shop.buys) - len(lost)
        max_open = max(max_open, accepted)
        # The first task ends only when another one was let in beside it.
        return shop.complete(request) if accepted > 1 else shop.running(request)

    shop.poll = poll

    outcome = await desk.run(max_unknown=9, terms=desk.wide("foxapi", AT_ONCE))

    assert statuses(outcome) == {Status.SUCCEEDED: 12}
    assert max_open > 1


async def test_a_dead_link_says_nothing_of_whether_the_provider_answers(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = 0
    whole = CircuitBreaker.record_success

    def counted(breaker: CircuitBreaker, sent_at: float) -> bool:
        nonlocal answers
        answers += 1
        return whole(breaker, sent_at)

    monkeypatch.setattr(CircuitBreaker, "record_success", counted)
    desk.write("cup")
    shop.image = lambda _: refused(404)

    await desk.run()

    assert desk.row()["error"] == "link_lost"
    assert answers == len(shop.buys)


async def test_a_row_with_a_model_of_its_own_that_is_gone_does_not_stop_the_others(
    desk: Desk, shop: Shop
) -> None:
    text = "id,prompt,model\na,cup,\nb,mug,typo\nc,jug,\n"
    (desk.folder / "rows.csv").write_text(text)

    def buy(request: Request) -> Answer:
        if request.body["model"] == "typo":
            return refused(404, "model not found")
        return shop.sells(CREDITS)(request)

    shop.buy = buy

    outcome = await desk.run()

    assert outcome.stopped == []
    assert [row["status"] for row in desk.table()] == [
        "succeeded",
        "failed",
        "succeeded",
    ]
    bad = desk.table()[1]
    assert bad["error"] == "request_invalid"
    assert bad["message"].startswith("model 'typo': ")


async def test_the_image_of_a_dropped_row_is_fetched_while_its_link_lives(
    desk: Desk, shop: Shop
) -> None:
    desk.write("cup", "mug", ids=["a", "b"])
    picture = shop.image
    shop.image = lambda _: Answer(500)
    await desk.run(limit=1)
    shop.image = picture
    desk.write("mug", ids=["b"])
    await desk.run()
    shop.image = lambda _: refused(404)
    desk.write("cup", "mug", ids=["a", "b"])

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 2}
    assert len(shop.buys) == 2
    desk.check_money()


def written(desk: Desk) -> bytes:
    """Return all that the run folder holds."""
    return b"".join(path.read_bytes() for path in desk.out.rglob("*") if path.is_file())


async def test_a_link_that_holds_the_key_is_followed_and_never_written(
    desk: Desk, shop: Shop
) -> None:
    desk.write("cup")
    desk.secret = "a-long-secret-of-aimlapi"
    link = "1.png?key=a-long-secret-of-aimlapi"
    shop.buy = in_turn(shop.sells(CREDITS, link))

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert [download.name for download in shop.downloads] == [link]
    assert b"a-long-secret" not in written(desk)


@pytest.mark.parametrize("key", ["images", "none", "png"])
async def test_a_link_that_holds_a_placeholder_is_kept_and_fetched_by_a_later_run(
    desk: Desk, shop: Shop, key: str
) -> None:
    desk.write("cup")
    desk.secret = key
    shop.image = lambda _: LOST
    await desk.run()
    shop.image = lambda _: PICTURE

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 1


async def test_a_fresh_link_that_holds_the_key_is_followed_and_never_written(
    desk: Desk, shop: Shop
) -> None:
    desk.provider, desk.secret = "foxapi", "a-long-secret-of-foxapi"
    shop.buy = shop.accept
    fresh = "new.png?key=A-LONG-SECRET-OF-FOXAPI"
    shop.poll = in_turn(shop.linked("old.png"), shop.linked(fresh))
    shop.image = lambda request: refused(403) if request.name == "old.png" else LOST
    desk.write("cup")

    assert statuses(await desk.run()) == {Status.PENDING: 1}

    assert fresh in [download.name for download in shop.downloads]
    assert b"a-long-secret" not in written(desk).lower()
    shop.image = lambda _: PICTURE
    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 1
    assert b"a-long-secret" not in written(desk).lower()
