"""What was paid for and has no image is kept, named, and read anew before buying."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

import anyio
import pytest

from batchgen.errors import BudgetReached, ReplyMalformed
from batchgen.model import Accepted, Blob, Delivered, Link, Reply, State, Status
from batchgen.providers.aimlapi import AimlApi
from batchgen.providers.foxapi import FoxApi
from batchgen.runner import second_chances as again
from batchgen.runner.folder import open_folder
from tests.runs.desk import AGREED, Desk, statuses
from tests.runs.shop import PICTURE, PNG, Answer, Request, Shop, as_json, in_turn

pytestmark = pytest.mark.anyio

CREDITS = 100_000  # five cents
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' width='10' height='10'/>"
NO_IMAGE = {"data": {"file_ref": "f-0c1d2e"}, "meta": {"usage": {"credits_used": 0}}}
CHARGED = NO_IMAGE | {"meta": {"usage": {"credits_used": CREDITS}}}


@pytest.fixture
def desk(desk: Desk, shop: Shop) -> Desk:
    desk.provider = "aimlapi"
    shop.buy = shop.sells(CREDITS)
    return desk


def kept_names(desk: Desk) -> set[str]:
    folder = desk.out / "kept"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def sells(shop: Shop, document: Any, **headers: Any) -> None:
    """Answer each purchase with a document, and charge five cents for it."""

    def respond(request: Request) -> Answer:
        shop.billed_nano += 50_000_000
        return as_json(document, **headers)

    shop.buy = respond


# -- replies


@pytest.mark.parametrize(
    ("document", "cost", "at_risk"),
    [
        pytest.param(CHARGED, AGREED, 0, id="charge-stated"),
        pytest.param(NO_IMAGE, None, 1, id="no-charge-stated"),
    ],
)
async def test_a_reply_without_an_image_is_kept_named_and_not_bought_again(
    desk: Desk, shop: Shop, document: Any, cost: Decimal | None, at_risk: int
) -> None:
    sells(shop, document, set_cookie="session=1", x_trace="7")

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1}
    row = desk.row()
    assert row["error"] == "reply_malformed"
    assert row["message"].endswith("kept as kept/1.json")
    assert (row["cost_usd"], row["at_risk_attempts"]) == (cost, at_risk)
    written = json.loads((desk.out / "kept/1.json").read_text())
    assert (written["status"], written["body"]) == (200, document)
    assert written["headers"]["x-trace"] == "7"
    assert not {"set-cookie", "authorization"} & written["headers"].keys()
    assert statuses(await desk.run()) == {Status.FAILED: 1}
    assert len(shop.buys) == 1
    desk.check_money()


async def test_an_answer_in_words_is_kept_and_asked_again_once(
    desk: Desk, shop: Shop
) -> None:
    sells(shop, {"data": [], "message": "here is your picture"})

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1}
    assert (desk.row()["error"], len(shop.buys)) == ("no_image", 2)
    assert kept_names(desk) == {"1.json", "2.json"}
    assert "kept/2.json" in desk.row()["message"]
    desk.check_money()


async def test_a_poll_that_cannot_be_read_is_kept(desk: Desk, shop: Shop) -> None:
    desk.provider, shop.buy = "foxapi", shop.accept
    shop.poll = lambda request: as_json(
        {"id": request.name, "status": "completed", "results": [{"file_ref": "f-1"}]}
    )

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1}
    assert desk.row()["message"].endswith("kept as kept/2.json")
    assert kept_names(desk) == {"1.json", "2.json"}
    document = json.loads((desk.out / "kept/1.json").read_text())
    assert (document["source"], document["provider"]) == ("poll", "foxapi")
    desk.check_money()


async def test_a_fault_while_a_reply_is_read_keeps_the_reply(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(_: AimlApi, reply: Reply) -> Delivered:
        raise KeyError("surprise")

    monkeypatch.setattr(AimlApi, "decode", decode)

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1}
    row = desk.row()
    assert (row["error"], row["at_risk_attempts"]) == ("internal", 1)
    assert "surprise" in row["message"]
    assert "kept/1.json" in row["message"]
    monkeypatch.undo()
    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 1
    desk.check_money()


async def test_a_key_is_overwritten_in_what_is_kept(desk: Desk, shop: Shop) -> None:
    desk.secret = "a-long-secret-of-aimlapi"
    key = "a-long-secret-of-aimlapi"
    token = base64.b64encode(f"{key}:".encode()).decode()
    echo = f"Bearer {key} {token}"
    document = NO_IMAGE | {"echo": echo, "part": key[:10]}
    sells(shop, document, x_echo=key)

    await desk.run()

    text = (desk.out / "kept/1.json").read_text()
    assert key not in text
    assert token[:30] not in text
    written = json.loads(text)
    assert written["headers"]["x-echo"] == "*" * len(key)
    assert len(written["body"]["echo"]) == len(echo)
    assert written["body"]["part"] == key[:10]


async def test_without_room_nothing_is_kept_and_the_user_is_told(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        free: int

    usage = shutil.disk_usage

    def full(path: Any) -> Any:
        return Usage(0) if str(path).endswith("kept") else usage(path)

    monkeypatch.setattr(shutil, "disk_usage", full)
    sells(shop, CHARGED)

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1}
    assert kept_names(desk) == set()
    assert "kept" not in desk.row()["message"]
    assert [notice for notice in desk.notices if "could not be kept" in notice]


# -- read anew


def understands(patch: pytest.MonkeyPatch, outcome: Any) -> None:
    """Let AI/ML API's reader, as of a newer batchgen, find an image by `file_ref`."""
    old = AimlApi.decode

    def decode(self: AimlApi, reply: Reply) -> Any:
        try:
            return old(self, reply)
        except ReplyMalformed:
            return outcome

    patch.setattr(AimlApi, "decode", decode)


@pytest.mark.parametrize("is_retried", [0, 1], ids=["later", "retry"])
@pytest.mark.parametrize("document", [CHARGED, NO_IMAGE], ids=["known", "at-risk"])
@pytest.mark.parametrize("kind", ["link", "bytes"])
async def test_a_kept_reply_that_is_understood_now_is_not_bought_again(
    desk: Desk,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    is_retried: int,
    document: Any,
    kind: str,
) -> None:
    sells(shop, document)
    await desk.run()
    assert (desk.retry("failed") if is_retried else 0) == is_retried
    image = Link(f"{shop.url}/images/1.png") if kind == "link" else Blob(PNG)
    usage = {"credit": Decimal(CREDITS)}
    understands(monkeypatch, Delivered(images=(image,), usage=usage))

    outcome = await desk.run(max_cost=Decimal(1))

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    row = desk.row()
    assert (row["cost_usd"], row["at_risk_attempts"], row["error"]) == (AGREED, 0, None)
    assert [attempt.state for attempt in desk.attempts()] == [State.STORED]
    assert len(shop.buys) == 1
    desk.check_money()


@pytest.mark.parametrize("document", [CHARGED, NO_IMAGE], ids=["known", "at-risk"])
async def test_kept_replies_whose_bytes_are_no_images_stop_nothing(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch, document: Any
) -> None:
    desk.write("a", "b", "c")
    sells(shop, document)
    await desk.run()
    junk = Delivered(images=(Blob(b"no image"),), usage={"credit": Decimal(100_000)})
    understands(monkeypatch, junk)
    desk.write("a", "b", "c", "d")
    shop.buy = shop.sells(CREDITS)

    for _ in range(2):
        outcome = await desk.run(max_cost=Decimal(1))
        assert outcome.stopped == []
        assert statuses(outcome) == {Status.FAILED: 3, Status.SUCCEEDED: 1}
        assert desk.attempts()[0].cost == 50_000_000

    assert len(shop.buys) == 4
    desk.check_money()


async def test_a_fault_behind_a_kept_reply_holds_no_money(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write("a")
    sells(shop, NO_IMAGE)
    await desk.run()

    async def record_delivery(*_: object) -> None:
        raise RuntimeError("unexpected")

    monkeypatch.setattr(again, "record_delivery", record_delivery)
    understands(monkeypatch, Delivered(images=(Blob(PNG),)))
    desk.write("a", "b", "c", "d")
    shop.buy = shop.sells(CREDITS)

    with anyio.fail_after(10):
        outcome = await desk.run(max_cost=Decimal("0.3"))

    assert isinstance(outcome.error, BudgetReached)
    assert statuses(outcome)[Status.SUCCEEDED] >= 1
    desk.check_money()


async def test_a_kept_reply_that_names_a_task_now_is_asked_for(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.provider = "foxapi"
    sells(shop, {"job": "task-7"})
    await desk.run()
    assert desk.row()["error"] == "reply_malformed"
    monkeypatch.setattr(FoxApi, "decode", lambda _, reply: Accepted(handle="task-7"))

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert (len(shop.buys), shop.polls[0].name) == (1, "task-7")
    desk.check_money()


async def test_a_kept_reply_of_another_provider_or_a_stranger_is_passed_over(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    sells(shop, CHARGED)
    await desk.run()
    path = desk.out / "kept/1.json"
    stranger = json.loads(path.read_text()) | {"provider": "foxapi"}
    path.write_text(json.dumps(stranger))
    (desk.out / "kept/99.json").write_text(path.read_text())
    understands(monkeypatch, Delivered(images=(Blob(PNG),)))

    assert statuses(await desk.run()) == {Status.FAILED: 1}


async def test_an_answer_that_was_kept_before_a_kill_is_neither_lost_nor_bought_twice(
    desk: Desk, shop: Shop
) -> None:
    sells(shop, CHARGED)
    await desk.run()
    with open_folder(desk.out, None, None) as folder:
        # What a kill between the kept file and the ledger's commit leaves.
        run = folder.ledger._connection.execute
        run("UPDATE attempts SET state = 'sent', charge = NULL, cost = NULL")
        run("UPDATE rows SET status = 'pending', error = NULL, message = NULL")

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1}
    row = desk.row()
    assert (row["error"], row["cost_usd"]) == ("reply_malformed", AGREED)
    assert "kept/1.json" in row["message"]
    assert len(shop.buys) == 1
    desk.check_money()


async def test_the_same_without_the_key_waits_for_a_word(
    desk: Desk, shop: Shop
) -> None:
    sells(shop, CHARGED)
    await desk.run()
    with open_folder(desk.out, None, None) as folder:
        run = folder.ledger._connection.execute
        run("UPDATE attempts SET state = 'sent', charge = NULL, cost = NULL")
        run("UPDATE rows SET status = 'pending', error = NULL, message = NULL")
    desk.provider, desk.keys = "foxapi", ["foxapi"]
    shop.buy = shop.accept

    outcome = await desk.run()

    assert statuses(outcome) == {Status.HELD: 1}
    assert shop.polls == []
    assert desk.row()["message"].endswith("kept as kept/1.json")


# -- bytes that are no image


async def test_a_drawing_that_came_with_the_reply_is_kept(
    desk: Desk, shop: Shop
) -> None:
    text = base64.b64encode(SVG).decode()
    usage = {"usage": {"credits_used": CREDITS}}
    sells(shop, {"data": [{"b64_json": text}], "meta": usage})

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1}
    row = desk.row()
    assert (row["error"], row["cost_usd"]) == ("image_rejected", AGREED)
    assert row["message"].endswith("kept as kept/1-1.svg")
    assert (desk.out / "kept/1-1.svg").read_bytes() == SVG
    assert statuses(await desk.run()) == {Status.FAILED: 1}
    assert len(shop.buys) == 1
    desk.check_money()


@pytest.mark.parametrize(
    ("data", "name"),
    [(SVG, "1-1.svg"), (b"<html>soon</html>", "1-1.html"), (PNG[:-9], "1-1.png")],
)
async def test_bytes_behind_a_link_that_stay_no_image_are_kept(
    desk: Desk, shop: Shop, data: bytes, name: str
) -> None:
    shop.image = lambda _: Answer(200, data)

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1}
    assert desk.row()["message"].endswith(f"kept as kept/{name}")
    assert (desk.out / "kept" / name).read_bytes() == data
    desk.check_money()


async def test_bytes_that_become_an_image_are_not_kept(desk: Desk, shop: Shop) -> None:
    shop.image = in_turn(Answer(200, b"<html>soon</html>"), PICTURE)

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}
    assert kept_names(desk) == set()


# -- several tasks


def tasks(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one purchase make two tasks."""
    decode = FoxApi.decode

    def twice(self: FoxApi, reply: Reply) -> Any:
        outcome = decode(self, reply)
        assert isinstance(outcome, Accepted)
        return replace(outcome, handle=f"{outcome.handle}a {outcome.handle}b")

    monkeypatch.setattr(FoxApi, "decode", twice)
    monkeypatch.setattr(
        FoxApi, "capabilities", replace(FoxApi.capabilities, images_per_request=2)
    )


@pytest.fixture
def fox(desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Desk:
    tasks(shop, monkeypatch)
    desk.provider, shop.buy = "foxapi", shop.accept
    desk.write_columns(prompt=["a"], n=[2])
    return desk


async def test_each_of_several_tasks_is_asked_until_it_ends(
    fox: Desk, shop: Shop
) -> None:
    first = in_turn(shop.running, shop.running, shop.complete)
    shop.poll = lambda request: (
        first(request) if request.name == "task-1a" else shop.complete(request)
    )

    outcome = await fox.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert [download.name for download in shop.downloads] == [
        "task-1a.png",
        "task-1b.png",
    ]
    assert [poll.name for poll in shop.polls].count("task-1b") == 1
    assert fox.attempts()[0].task_id == "task-1a task-1b"


async def test_several_tasks_are_fetched_after_a_stop(fox: Desk, shop: Shop) -> None:
    shop.poll = lambda _: Answer(401, b"{}", {"content-type": "application/json"})
    await fox.run()
    assert [attempt.state for attempt in fox.attempts()] == [State.ACCEPTED]
    shop.poll = shop.complete

    assert statuses(await fox.run()) == {Status.SUCCEEDED: 1}
    assert len(shop.buys) == 1


async def test_the_failure_of_one_task_does_not_lose_the_other(
    fox: Desk, shop: Shop
) -> None:
    failed = as_json({"status": "failed", "error": {"message": "out of memory"}})
    shop.poll = lambda request: (
        failed if request.name == "task-1a" else shop.complete(request)
    )

    outcome = await fox.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    first, second = fox.attempts()
    assert (first.state, first.charge) == (State.STORED, "unknown")
    assert second.images == 1
    assert len(fox.row()["files"]) == 2
    # What the second purchase brought beyond the one image may have been charged, too.
    assert fox.row()["at_risk_usd"] == 3 * AGREED
