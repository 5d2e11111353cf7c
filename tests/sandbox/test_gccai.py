from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from decimal import Decimal
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from batchgen.sandbox import KEY, SandboxProcess
from tests.sandbox.buyer import PURCHASE, Buyer, buyer_at, data_uri
from tests.sandbox.test_strictness import MISSING, changed

MODEL = "gemini-3.1-flash-image-preview"
PROMPTS = [f"teapot {number}" for number in range(48)]
RUNNING = {"submitted", "pending", "processing", "in_progress"}


@pytest.fixture
def gccai(sandbox: SandboxProcess) -> Iterator[Buyer]:
    with buyer_at(sandbox, "gccai") as buyer:
        yield buyer


def body(prompt: str = "a teapot", **fields: object) -> dict[str, Any]:
    return {"model": MODEL, "prompt": prompt, **fields}


def task_id_of(reply: httpx.Response) -> str:
    document = reply.json()
    assert (reply.status_code, document["code"]) == (200, 200)
    data = document["data"]
    [task] = data if isinstance(data, list) else [data]
    assert task.keys() == {"status", "task_id"}
    assert task["status"] == "submitted"
    return str(task["task_id"])


def wait(buyer: Buyer, task_id: str) -> dict[str, Any]:
    """Poll until the task has ended, with a result if it is to have one."""
    for _ in range(2_000):
        document = buyer.poll(task_id).raise_for_status().json()
        assert document["code"] == 200
        task: dict[str, Any] = document["data"]
        hurried = task["progress"] == 100 and task.get("result", "") is None
        if task["status"].lower() not in RUNNING and not hurried:
            return task
    raise AssertionError(f"never ends: {task}")


def bought(buyer: Buyer, prompt: str = "a teapot", **fields: object) -> dict[str, Any]:
    return wait(buyer, task_id_of(buyer.send(body(prompt, **fields))))


def links_of(task: dict[str, Any]) -> list[str]:
    links: list[str] = []
    for image in task["result"]["images"]:
        url = image["url"]
        links += [url] if isinstance(url, str) else url
    return links


def error_of(reply: httpx.Response) -> tuple[int, str]:
    """Return code and words of an error, in whichever envelope it came."""
    document = reply.json()
    error = document.get("error", {})
    code = int(document.get("code", error.get("code")))
    assert reply.status_code in (200, code)
    return code, str(error.get("message") or document["message"])


@pytest.mark.parametrize("resolution", ["0.5K", "1K", "2K", "4K"])
@pytest.mark.parametrize("count", [1, 4])
def test_a_task_costs_its_tariff_for_every_image(
    gccai: Buyer, resolution: str, count: int
) -> None:
    before = len(gccai.billed())

    task = bought(gccai, "a vase", resolution=resolution, n=count)

    tabled = resolution.replace("0.5K", "512")
    fare = gccai.sandbox.tariff()["gccai"][tabled]
    [sale] = gccai.billed()[before:]
    assert Decimal(sale["amount_usd"]) == count * Decimal(fare["expected_usd"])
    assert (sale["id"], sale["resolution"]) == (task["id"], tabled)
    costs = {task[name] for name in ("cost", "credits_cost") if name in task}
    [used] = costs
    worth = Decimal(str(used)) * Decimal(fare["usd_per_credit"])
    assert worth == Decimal(sale["amount_usd"])


def test_several_images_differ_and_have_the_size_that_was_paid_for(
    gccai: Buyer,
) -> None:
    task = bought(gccai, n=4, size="16:9", resolution="0.5K")

    files = [gccai.download(link).content for link in links_of(task)]

    assert len(set(files)) == 4
    for file in files:
        with Image.open(BytesIO(file)) as image:
            assert image.size == (688, 384)


def test_replies_have_every_shape_that_was_seen(gccai: Buyer) -> None:
    tasks = [bought(gccai, prompt, n=2) for prompt in PROMPTS]

    shapes = {
        tuple(
            len(image["url"]) if isinstance(image["url"], list) else "text"
            for image in task["result"]["images"]
        )
        for task in tasks
    }
    assert shapes == {(2,), (1, 1), ("text", "text")}
    assert {task["status"] for task in tasks} == {"completed", "success", "SUCCEEDED"}
    names = {frozenset({"cost", "credits_cost"} & set(task)) for task in tasks}
    assert len(names) == 3
    for task in tasks:
        ends = [image["expires_at"] for image in task["result"]["images"]]
        assert all(0 <= end - task["created"] - 86_400 <= 60 for end in ends)


def test_a_submit_answers_with_a_list_or_now_and_then_an_object(gccai: Buyer) -> None:
    kinds = {type(gccai.send(body(prompt)).json()["data"]) for prompt in PROMPTS}

    assert kinds == {list, dict}


def test_it_takes_every_documented_field(gccai: Buyer) -> None:
    wish = body(
        size="auto",
        resolution="0.5K",
        n=4,
        official_fallback=True,
        image_urls=["https://a.example/b.png", data_uri("JPEG")] * 7,
        google_search=True,
        google_image_search=True,
    ) | {"model": f"{MODEL}-official"}

    assert len(links_of(wait(gccai, task_id_of(gccai.send(wish))))) == 4


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"n": "1"}, id="n-quoted"),
        pytest.param({"n": 0}, id="n-0"),
        pytest.param({"n": 5}, id="n-5"),
        pytest.param({"n": 1.0}, id="n-float"),
        pytest.param({"n": True}, id="n-true"),
        pytest.param({"size": "1024x1024"}, id="size-in-pixels"),
        pytest.param({"aspect_ratio": "1:1"}, id="ratio-by-another-name"),
        pytest.param({"resolution": "512"}, id="resolution-of-others"),
        pytest.param({"resolution": "1k"}, id="resolution-lower-case"),
        pytest.param({"official_fallback": "true"}, id="fallback-text"),
        pytest.param({"google_image_search": True}, id="image-search-alone"),
        pytest.param(
            {"google_image_search": True, "google_search": False},
            id="image-search-without-search",
        ),
        pytest.param({"image_urls": ["https://a.example/b"] * 15}, id="15-images"),
        pytest.param(
            {"image_urls": [data_uri().partition(",")[2]]}, id="base64-without-prefix"
        ),
        pytest.param({"image_urls": [data_uri("GIF")]}, id="gif"),
        pytest.param(
            {"image_urls": [data_uri().replace("png", "webp", 1)]}, id="mislabelled"
        ),
        pytest.param({"image_urls": [data_uri()[:-12]]}, id="image-cut-short"),
        pytest.param({"model": f"{MODEL}-lite"}, id="unknown-model"),
        pytest.param({"prompt": MISSING}, id="no-prompt"),
        pytest.param({"output_format": "png"}, id="field-of-others"),
    ],
)
def test_it_refuses_what_its_page_does_not_allow(
    gccai: Buyer, change: dict[str, Any]
) -> None:
    before = gccai.billed()

    reply = gccai.send(changed(body(), change))

    code, message = error_of(reply)
    assert (reply.status_code, code) == (400, 400)
    assert next(iter(change)) in message
    assert reply.json()["error"]["type"] == "validation_error"
    assert gccai.billed() == before


def test_an_image_of_more_than_10_mb_is_refused(gccai: Buyer) -> None:
    file = BytesIO()
    Image.new("RGB", (2000, 1700)).save(file, "PNG", compress_level=0)
    assert file.tell() > 10_000_000
    uri = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"

    reply = gccai.send(body(image_urls=[uri]))

    assert "exceeds" in error_of(reply)[1]


@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        ("throttle", {429}),
        ("throttle_silent", {429}),
        ("server_error", {500, 503}),
        ("wrong_key", {401}),
        ("no_credit", {402}),
        ("model_gone", {404}),
    ],
)
def test_errors_come_with_their_status_or_in_the_disguise_of_a_200(
    gccai: Buyer, fault: str, codes: set[int]
) -> None:
    before = gccai.billed()
    gccai.sandbox.queue_fault("gccai", fault, len(PROMPTS))

    replies = [gccai.send(body(prompt)) for prompt in PROMPTS]

    assert {error_of(reply)[0] for reply in replies} == codes
    assert {reply.status_code for reply in replies} == {200, *codes}
    envelopes = {(reply.status_code == 200, *sorted(reply.json())) for reply in replies}
    assert envelopes == {
        (False, "error"),
        (False, "code", "error"),
        (True, "code", "error"),
        (True, "code", "data", "message"),
    }
    assert gccai.billed() == before
    if fault == "wrong_key":
        assert all(KEY in reply.text for reply in replies)


def test_a_refusal_is_an_error_or_a_failed_task_and_costs_nothing(
    gccai: Buyer,
) -> None:
    before = gccai.billed()

    replies = [gccai.send(body(f"{prompt} REFUSE-ME")) for prompt in PROMPTS]

    accepted = [reply for reply in replies if reply.json().get("code") == 200]
    words = [error_of(reply)[1] for reply in replies if reply not in accepted]
    tasks = [wait(gccai, task_id_of(reply)) for reply in accepted]
    assert words
    assert all("moderation" in each for each in words)
    assert {task["status"] for task in tasks} == {"failed", "failure", "FAILURE"}
    errors = [task["error"] for task in tasks]
    assert all("content policy" in json.dumps(each) for each in errors)
    kinds = {
        type(each.get("code") if isinstance(each, dict) else None) for each in errors
    }
    assert kinds == {int, str, type(None)}
    assert gccai.billed() == before


def test_a_failed_generation_costs_nothing_and_can_look_cancelled(
    gccai: Buyer,
) -> None:
    before = gccai.billed()
    gccai.sandbox.queue_fault("gccai", "generation_failed", len(PROMPTS))

    tasks = [bought(gccai, prompt) for prompt in PROMPTS]

    assert {task["status"].lower() for task in tasks} == {
        *("failed", "failure", "cancelled")
    }
    assert not any("result" in task for task in tasks)
    assert gccai.billed() == before


def test_a_task_without_a_result_is_charged(gccai: Buyer) -> None:
    gccai.sandbox.queue_fault("gccai", "no_image")
    task_id = task_id_of(gccai.send(body("nothing", n=2)))

    polls = [gccai.poll(task_id).json()["data"] for _ in range(3)]

    assert [poll["result"] for poll in polls] == [None] * 3
    sale = gccai.billed()[-1]
    assert (sale["id"], sale["status"]) == (task_id, "no_image")


def test_fewer_images_cost_less(gccai: Buyer) -> None:
    gccai.sandbox.queue_fault("gccai", "fewer_images")

    task = bought(gccai, "a set", n=3)

    assert len(links_of(task)) == 2
    fare = gccai.sandbox.tariff()["gccai"]["1K"]
    assert Decimal(gccai.billed()[-1]["amount_usd"]) == 2 * Decimal(
        fare["expected_usd"]
    )


def test_an_expired_link_is_renewed_by_a_poll_and_the_others_stay(
    gccai: Buyer,
) -> None:
    task = bought(gccai, "an old pot", n=3)
    links = links_of(task)
    gccai.sandbox.queue_fault("gccai", "expired_link")

    assert gccai.download(links[1]).status_code in (403, 404)
    fresh = links_of(wait(gccai, task["id"]))

    assert [old == new for old, new in zip(links, fresh, strict=True)] == [
        *(True, False, True)
    ]
    assert gccai.download(fresh[1]).status_code == 200


def test_an_unknown_task_and_an_unknown_language_are_errors(gccai: Buyer) -> None:
    task_id = task_id_of(gccai.send(body()))
    url = f"{gccai.url}/v1/tasks/{task_id}"

    replies = [
        gccai.client.get(url + query, headers=gccai.headers())
        for query in ("?language=en", "?language=de", "?lang=en")
    ]

    assert [reply.status_code for reply in replies] == [200, 400, 400]
    assert error_of(gccai.poll("task_01K8"))[0] == 404
    assert error_of(gccai.client.get(url))[0] == 401
    assert error_of(gccai.client.get(gccai.url + PURCHASE))[0] == 405
