from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from batchgen.sandbox import KEY, SandboxProcess, start_sandbox
from tests.sandbox.buyer import Buyer, buyer_at, image_file
from tests.sandbox.test_gccai import body as gccai_body
from tests.sandbox.test_gccai import task_id_of, wait

PATHS = {"foxapi": "/v1/files/upload/stream", "gccai": "/v1/uploads/images"}
LIVES_H = {"foxapi": 72, "gccai": 24}
LOGO = image_file("WEBP", (24, 32))
FILE = ("logo.webp", LOGO, "image/webp")


@pytest.fixture(params=PATHS)
def uploader(
    sandbox: SandboxProcess, request: pytest.FixtureRequest
) -> Iterator[Buyer]:
    with buyer_at(sandbox, request.param) as buyer:
        yield buyer


def form(buyer: Buyer, file: tuple[str, bytes, str] = FILE) -> list[tuple[str, Any]]:
    fields: list[tuple[str, Any]] = [("file", file)]
    if buyer.provider == "foxapi":
        fields += [("file_name", file[0]), ("auto_cleanup", "true")]
    return fields


def upload(buyer: Buyer, file: tuple[str, bytes, str] = FILE) -> httpx.Response:
    return buyer.send_form(form(buyer, file), path=PATHS[buyer.provider])


def ended(buyer: Buyer, url: str) -> dict[str, Any]:
    """Buy an image with a reference and return its task at its end."""
    if buyer.provider == "gccai":
        return wait(buyer, task_id_of(buyer.send(gccai_body(image_urls=[url]))))
    return buyer.wait(buyer.buy(image_urls=[url]).raise_for_status().json()["id"])


def test_an_upload_is_served_again_and_written_down(uploader: Buyer) -> None:
    before = uploader.billed()

    document = upload(uploader).raise_for_status().json()

    served = uploader.client.get(document["url"])
    assert (served.content, served.headers["content-type"]) == (LOGO, "image/webp")
    kept = uploader.sandbox.uploads()[-1]
    assert kept["provider"] == uploader.provider
    assert kept["sha256"] == hashlib.sha256(LOGO).hexdigest()
    assert [field["name"] for field in kept["body"]] == [
        name for name, _ in form(uploader)
    ]
    life = datetime.fromisoformat(kept["ends_at"]) - datetime.fromisoformat(
        kept["time"]
    )
    assert life.total_seconds() == LIVES_H[uploader.provider] * 3600
    assert uploader.billed() == before


def test_each_upload_is_answered_as_its_provider_does(sandbox: SandboxProcess) -> None:
    with buyer_at(sandbox, "foxapi") as foxapi, buyer_at(sandbox, "gccai") as gccai:
        there, here = upload(foxapi).json(), upload(gccai).json()

    assert there == {"url": there["url"], "size": len(LOGO)}
    assert here | {"url": "", "created_at": 0} == {
        "url": "",
        "filename": "logo.webp",
        "content_type": "image/webp",
        "bytes": len(LOGO),
        "created_at": 0,
    }
    assert isinstance(here["created_at"], int)


def test_a_reference_that_was_uploaded_makes_an_image(uploader: Buyer) -> None:
    task = ended(uploader, upload(uploader).json()["url"])

    assert task.get("error") is None
    assert uploader.billed()[-1]["id"] == task["id"]


@pytest.mark.parametrize(
    "name", ["0" * 32 + ".webp", "logo.webp"], ids=["unknown", "no-such-form"]
)
def test_a_reference_that_was_never_uploaded_fails_and_costs_nothing(
    uploader: Buyer, name: str
) -> None:
    before = uploader.billed()

    task = ended(uploader, f"{uploader.url}/uploads/{name}")

    assert task["status"].lower() in ("failed", "failure")
    if uploader.provider == "foxapi":
        assert task["error"]["code"] == "invalid_image_url"
    assert "fetched" in str(task["error"])
    assert uploader.billed() == before


@pytest.mark.parametrize("provider", PATHS)
def test_an_upload_ends_with_its_life(tmp_path: Path, provider: str) -> None:
    links = []
    for age_h in (LIVES_H[provider] - 1, 1):
        with (
            start_sandbox(tmp_path, latency=0) as sandbox,
            buyer_at(sandbox, provider) as buyer,
        ):
            links.append(upload(buyer).json()["url"])
        with closing(sqlite3.connect(tmp_path / "sandbox.db")) as state, state:
            state.execute("update uploads set ends_at = ends_at - ?", [age_h * 3600])

    with (
        start_sandbox(tmp_path, latency=0) as sandbox,
        buyer_at(sandbox, provider) as buyer,
    ):
        statuses = [buyer.client.get(link).status_code for link in links]
        tasks = [ended(buyer, link) for link in links]

    assert statuses == [404, 200]
    assert ["error" in task for task in tasks] == [True, False]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param([], id="nothing"),
        pytest.param([("file", "text")], id="file-as-text"),
        pytest.param([("file", ("a.gif", image_file("GIF"), "image/gif"))], id="gif"),
        pytest.param([("file", ("a.png", LOGO, "image/png"))], id="mislabelled"),
        pytest.param([("file", ("a.webp", LOGO[:-9], "image/webp"))], id="cut"),
        pytest.param([("file", FILE), ("file", FILE)], id="two-files"),
        pytest.param([("image", FILE)], id="other-name"),
        pytest.param([("file", FILE), ("folder", "a")], id="unknown-field"),
    ],
)
def test_an_upload_that_is_no_single_image_is_refused(
    uploader: Buyer, change: list[tuple[str, Any]]
) -> None:
    before = uploader.sandbox.uploads()
    rest = [field for field in form(uploader) if field[0] != "file"]

    reply = uploader.send_form([*change, *rest], path=PATHS[uploader.provider])

    assert reply.status_code in (400, 422)
    assert "message" in reply.json()["error"]
    assert uploader.sandbox.uploads() == before


@pytest.mark.parametrize("missing", ["file_name", "auto_cleanup"])
def test_foxapi_wants_all_three_parts(foxapi: Buyer, missing: str) -> None:
    fields = [field for field in form(foxapi) if field[0] != missing]

    reply = foxapi.send_form(fields, path=PATHS["foxapi"])

    assert reply.status_code == 422
    assert missing in reply.json()["error"]["message"]


def test_foxapi_says_too_large_with_a_page(foxapi: Buyer) -> None:
    file = ("huge.png", bytes(33 * 1024 * 1024), "image/png")

    reply = upload(foxapi, file)

    assert reply.status_code == 413
    assert reply.headers["content-type"].startswith("text/html")


def test_gccai_takes_10_mb(sandbox: SandboxProcess) -> None:
    file = BytesIO()
    Image.new("RGB", (2000, 1700)).save(file, "PNG", compress_level=0)

    with buyer_at(sandbox, "gccai") as gccai:
        reply = upload(gccai, ("large.png", file.getvalue(), "image/png"))

    assert reply.status_code == 400
    assert "exceeds" in reply.text


def test_an_upload_needs_the_key_and_can_fail(uploader: Buyer) -> None:
    uploader.sandbox.queue_fault(uploader.provider, "upload_failed")
    path = PATHS[uploader.provider]

    wrong = uploader.send_form(form(uploader), key="sk-wrong-01", path=path)
    failed, works = upload(uploader), upload(uploader)

    assert (wrong.status_code, failed.status_code, works.status_code) == (401, 500, 200)


def test_a_link_of_an_upload_is_no_place_for_the_key(uploader: Buyer) -> None:
    link = upload(uploader).json()["url"]

    reply = uploader.client.get(link, headers={"authorization": f"Bearer {KEY}"})

    assert reply.status_code == 400
