"""A server that lacks one of a provider's endpoints refuses rows, not the run."""

from __future__ import annotations

import base64
from collections.abc import Callable
from decimal import Decimal

import pytest
from PIL import Image

from batchgen.model import Price, Status
from batchgen.providers.base import Provider
from batchgen.providers.nanobananaapi import NanoBananaApi
from batchgen.providers.openai import OpenAi
from tests.runs.desk import Desk
from tests.runs.shop import PNG, Answer, Request, Shop, as_json, refused

pytestmark = pytest.mark.anyio

AGREED = (Price.agreed(Decimal("0.05"), "agreed"),)
INLINE = {"b64_json": base64.b64encode(PNG).decode()}
PAGE = Answer(404, b"<html>Not Found</html>", {"content-type": "text/html"})
WORDS = "no edit endpoint: rows with references cannot run"


def stand(desk: Desk, provider: Provider) -> None:
    """Let a job at a provider have three rows, the middle one with a reference."""
    desk.others = {provider.name: provider}
    desk.provider = provider.name
    desk.prices = {**desk.prices, provider.name: AGREED}
    Image.new("RGB", (16, 16), "teal").save(desk.folder / "a.png")
    desk.write_columns(
        prompt=["a cup", "the same in red", "a jug"], references=["", "a.png", ""]
    )


def unless(path: str, absent: Answer, document: object, shop: Shop) -> None:
    """Let the server answer 404 at one path, and sell at all others."""

    def respond(request: Request) -> Answer:
        if request.path.endswith(path):
            return absent
        shop.billed_nano += 50_000_000
        return as_json(document)

    shop.buy = respond


@pytest.mark.parametrize(
    "absent",
    [
        pytest.param(refused(404, "Not Found"), id="json"),
        pytest.param(as_json({"detail": "Not Found"}, 404), id="fastapi"),
        pytest.param(PAGE, id="page"),
    ],
)
async def test_rows_with_references_fail_where_there_are_no_edits(
    desk: Desk, shop: Shop, absent: Answer
) -> None:
    stand(desk, OpenAi())
    unless("/edits", absent, {"data": [INLINE]}, shop)

    outcome = await desk.run()

    assert outcome.stopped == []
    rows = desk.table()
    assert [row["status"] for row in rows] == ["succeeded", "failed", "succeeded"]
    assert rows[1]["error"] == "request_invalid"
    assert WORDS in rows[1]["message"]
    assert (rows[1]["at_risk_attempts"], rows[1]["cost_usd"]) == (0, 0)
    assert len(shop.buys) == 3
    desk.check_money()


async def test_a_404_that_names_the_model_is_about_the_model(
    desk: Desk, shop: Shop
) -> None:
    stand(desk, OpenAi())
    desk.write_columns(prompt=["the same in red"] * 3, references=["a.png"] * 3)
    error = {"message": "The model does not exist", "code": "model_not_found"}
    unless("/edits", as_json({"error": error}, 404), {}, shop)

    outcome = await desk.run()

    assert [error.kind for error in outcome.stopped] == ["model_gone"]
    assert outcome.totals is not None
    assert outcome.totals.rows[Status.PENDING] == 3


async def test_so_do_they_at_nanobananaapi_where_the_job_says_edit(
    desk: Desk, shop: Shop
) -> None:
    stand(desk, NanoBananaApi())
    link = {"code": 0, "data": {"url": f"{shop.url}/images/1.png"}}
    unless("/edit", refused(404, "Not Found"), link, shop)

    await desk.run(terms=desk.wide("nanobananaapi", 1, endpoint="edit"))

    rows = desk.table()
    assert [row["status"] for row in rows] == ["succeeded", "failed", "succeeded"]
    assert WORDS in rows[1]["message"]


async def test_rows_with_files_fail_where_there_are_no_uploads(
    desk: Desk, shop: Shop
) -> None:
    Image.new("RGB", (16, 16), "teal").save(desk.folder / "a.png")
    desk.write_columns(
        prompt=["the same in red", "a jug", "a pan"], references=["a.png", "", ""]
    )
    shop.upload = _absent

    outcome = await desk.run()

    assert outcome.stopped == []
    rows = desk.table()
    assert [row["status"] for row in rows] == ["failed", "succeeded", "succeeded"]
    assert "upload not taken: Not Found" in rows[0]["message"]


_absent: Callable[[Request], Answer] = lambda _: refused(404, "Not Found")  # noqa: E731
