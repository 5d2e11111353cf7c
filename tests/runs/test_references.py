"""Reference images on their way: uploaded once, fetched first, never paid in vain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image

from batchgen.errors import CredentialRejected
from batchgen.model import ReferenceTerms, Status, Terms
from batchgen.providers.apiai import ApiAi
from batchgen.runner.folder import open_folder, read_ledger
from tests.runs.desk import Desk, statuses
from tests.runs.shop import (
    LOST,
    PNG,
    Answer,
    Request,
    Shop,
    as_json,
    in_turn,
    refused,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def logo(tmp_path: Path) -> bytes:
    path = tmp_path / "logo.png"
    Image.effect_noise((64, 64), 90).save(path)
    return path.read_bytes()


def wanting(desk: Desk, rows: int, reference: str) -> None:
    """Write rows that all want the same reference image."""
    prompts = [f"cup {number}" for number in range(rows)]
    desk.write_columns(prompt=prompts, references=[reference] * rows)


# -- uploads (foxapi takes links alone)


async def test_an_image_that_rows_share_is_uploaded_once(
    desk: Desk, shop: Shop, logo: bytes
) -> None:
    wanting(desk, 30, "logo.png")

    outcome = await desk.run(terms=desk.wide("foxapi", 8))

    assert statuses(outcome) == {Status.SUCCEEDED: 30}
    (upload,) = shop.uploads
    assert logo in upload.body
    urls = {tuple(buy.body["image_urls"]) for buy in shop.buys}
    assert urls == {(f"{shop.url}/kept/1.png",)}
    desk.check_money()


async def test_a_later_run_names_the_same_upload_until_it_expires(
    desk: Desk, shop: Shop, logo: bytes
) -> None:
    wanting(desk, 1, "logo.png")
    await desk.run()
    wanting(desk, 2, "logo.png")
    await desk.run()

    assert len(shop.uploads) == 1
    with open_folder(desk.out, None, None) as folder, folder.ledger.transaction():
        folder.ledger._connection.execute("UPDATE uploads SET good_until = 1")
    wanting(desk, 3, "logo.png")
    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 3}
    assert len(shop.uploads) == 2
    assert shop.buys[-1].body["image_urls"] == [f"{shop.url}/kept/2.png"]


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(refused(429, "slow down", retry_after="0"), id="throttled"),
        pytest.param(refused(503, "busy"), id="down"),
        pytest.param(LOST, id="lost"),
        pytest.param(Answer(502, b"<html>Bad Gateway</html>"), id="page"),
    ],
)
async def test_an_upload_is_asked_for_again_and_buys_nothing(
    desk: Desk, shop: Shop, logo: bytes, trouble: Answer
) -> None:
    wanting(desk, 1, "logo.png")
    shop.upload = in_turn(trouble, shop.keep)

    outcome = await desk.run()

    assert statuses(outcome) == {Status.SUCCEEDED: 1}
    assert (len(shop.uploads), len(shop.buys)) == (2, 1)
    assert desk.row()["attempts"] == 1
    assert desk.row()["at_risk_attempts"] == 0


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(refused(400, "no such format"), "no such format", id="refused"),
        pytest.param(
            Answer(413, b"<html>Too Large</html>"), "too large", id="too-large"
        ),
        pytest.param(as_json({"size": 3}), "without a link", id="without-a-link"),
    ],
)
async def test_an_image_that_is_not_taken_fails_its_row_and_costs_nothing(
    desk: Desk, shop: Shop, logo: bytes, answer: Answer, message: str
) -> None:
    desk.write_columns(prompt=["a", "b"], references=["logo.png", None])
    shop.upload = lambda _: answer

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1, Status.SUCCEEDED: 1}
    failed = desk.table()[0]
    assert (failed["error"], failed["attempts"]) == ("reference_rejected", 0)
    assert message in failed["message"]
    assert (failed["cost_usd"], failed["cost_basis"]) == (Decimal(0), "none")
    assert shop.prompts == ["b"]

    shop.upload = shop.keep
    assert desk.retry("failed") == 1
    assert statuses(await desk.run()) == {Status.SUCCEEDED: 2}


async def test_a_key_that_may_not_upload_stops_the_provider(
    desk: Desk, shop: Shop, logo: bytes
) -> None:
    wanting(desk, 5, "logo.png")
    shop.upload = lambda _: refused(401, "wrong key")

    outcome = await desk.run()

    assert statuses(outcome) == {Status.PENDING: 5}
    assert [type(error) for error in outcome.stopped] == [CredentialRejected]
    assert shop.buys == []


# -- bytes (apiai takes parts of a form alone)


def sells_bytes(shop: Shop) -> None:
    def respond(request: Request) -> Answer:
        shop.billed_nano += 40_000_000
        return Answer(200, PNG, {"content-type": "image/png", "x-cost": "0.04"})

    shop.buy = respond


async def test_a_url_is_fetched_first_where_only_bytes_are_taken(
    desk: Desk, shop: Shop, logo: bytes
) -> None:
    desk.provider = "apiai"
    sells_bytes(shop)
    shop.image = lambda _: Answer(200, logo)
    wanting(desk, 12, f"{shop.url}/images/logo.png")

    outcome = await desk.run(terms=desk.wide("apiai", 4))

    assert statuses(outcome) == {Status.SUCCEEDED: 12}
    assert len(shop.downloads) == 1, "it is fetched once for all rows"
    assert all(logo in buy.body for buy in shop.buys)
    assert "authorization" not in shop.downloads[0].headers
    assert "x-api-key" not in shop.downloads[0].headers
    desk.check_money()


async def test_what_lies_on_this_machine_is_not_fetched_for_providers_elsewhere(
    desk: Desk, shop: Shop, logo: bytes
) -> None:
    desk.provider = "apiai"
    sells_bytes(shop)
    shop.image = lambda _: Answer(200, logo)
    wanting(desk, 1, f"{shop.url}/images/logo.png")
    near = desk.job().terms
    far = replace(near["foxapi"], base_url="https://foxapi.example")

    await desk.run(providers=("apiai", "foxapi"), terms={**near, "foxapi": far})

    assert desk.row()["error"] == "reference_rejected"
    assert "no https link to a public address" in desk.row()["message"]
    assert (shop.downloads, shop.buys) == ([], [])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        pytest.param(refused(404), "404", id="gone"),
        pytest.param(Answer(200, b"<html>"), "HTML", id="no-image"),
        pytest.param(Answer(200, PNG[:-12]), "cut off", id="cut"),
    ],
)
async def test_a_url_that_holds_no_image_costs_nothing(
    desk: Desk, shop: Shop, image: Answer, message: str
) -> None:
    desk.provider = "apiai"
    sells_bytes(shop)
    shop.image = lambda _: image
    wanting(desk, 1, f"{shop.url}/images/logo.png")

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1}
    assert desk.row()["error"] == "reference_rejected"
    assert message in desk.row()["message"]
    assert shop.buys == []


async def test_a_file_that_is_too_large_is_scaled_down_where_the_job_allows_it(
    desk: Desk, shop: Shop, tmp_path: Path
) -> None:
    desk.provider = "apiai"
    sells_bytes(shop)
    Image.effect_noise((900, 900), 90).save(tmp_path / "big.png")
    wanting(desk, 2, "big.png")
    small = {"apiai": replace(desk.job().terms["apiai"], max_reference_bytes=60_000)}

    refused_ = await desk.run(terms=small)
    assert statuses(refused_) == {Status.INVALID: 2}
    assert "at most 0.1 MB" in desk.table()[0]["message"]
    outcome = await desk.run(terms=small, references=ReferenceTerms(shrink=True))

    assert statuses(outcome) == {Status.SUCCEEDED: 2}
    assert all(len(buy.body) < 62_000 for buy in shop.buys)


async def test_the_path_of_a_provider_is_the_jobs_to_choose(
    desk: Desk, shop: Shop
) -> None:
    desk.provider = "apiai"
    sells_bytes(shop)
    terms: dict[str, Terms] = {
        "apiai": replace(desk.job().terms["apiai"], endpoint="/api/process/mine")
    }

    await desk.run(terms=terms)

    assert [buy.path for buy in shop.buys] == ["/apiai/api/process/mine"]


async def test_images_that_are_too_large_together_are_told_once_they_are_known(
    desk: Desk, shop: Shop, logo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.provider = "apiai"
    sells_bytes(shop)
    shop.image = lambda _: Answer(200, logo)
    capabilities = ApiAi.capabilities
    rules = replace(capabilities.references, max_total_bytes=int(1.5 * len(logo)))
    monkeypatch.setattr(ApiAi, "capabilities", replace(capabilities, references=rules))
    urls = [f"{shop.url}/images/{number}.png" for number in range(2)]
    desk.write_columns(prompt=["a", "b"], references=["|".join(urls), urls[0]])

    outcome = await desk.run()

    assert statuses(outcome) == {Status.FAILED: 1, Status.SUCCEEDED: 1}
    assert "2 images have" in desk.table()[0]["message"]
    assert shop.buys[0].body.count(b"PNG") == 1


# -- what is not read again


def generation(desk: Desk) -> int:
    ledger = read_ledger(desk.out)
    try:
        return ledger.generation
    finally:
        ledger.close()


async def test_a_manifest_is_read_again_only_when_a_reference_has_changed(
    desk: Desk, shop: Shop, logo: bytes, tmp_path: Path
) -> None:
    wanting(desk, 1, "logo.png")
    await desk.run()
    await desk.run()
    (tmp_path / "logo.png").touch()
    await desk.run()
    assert generation(desk) == 1

    (tmp_path / "logo.png").write_bytes(PNG)
    await desk.run(rebuy=True)

    assert generation(desk) == 2
    assert len(shop.buys) == 2


def link_outside(path: Path) -> None:
    path.symlink_to("/etc/hosts")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: None, id="missing"),
        pytest.param(link_outside, id="outside"),
    ],
)
async def test_a_reference_that_was_put_right_is_found_by_the_next_run(
    desk: Desk, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    logo = tmp_path / "logo.png"
    wanting(desk, 1, "logo.png")
    spoil(logo)
    assert statuses(await desk.run()) == {Status.INVALID: 1}

    logo.unlink(missing_ok=True)
    logo.write_bytes(PNG)

    assert statuses(await desk.run()) == {Status.SUCCEEDED: 1}
