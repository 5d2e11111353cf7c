"""What the sandbox writes down of a request, so that two can be compared."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from batchgen.sandbox import KEY, start_sandbox
from tests.sandbox.buyer import Buyer, buyer_at, data_uri, image_file

SHA256 = hashlib.sha256(image_file()).hexdigest()
FIELDS: list[tuple[str, Any]] = [
    ("PROMPT", "a lamp"),
    ("image", ("one.png", image_file(), "image/png")),
    ("image_size", "1K"),
]


def test_a_form_is_kept_as_its_parts_in_order(apiai: Buyer) -> None:
    apiai.send_form(FIELDS)

    request = apiai.sandbox.requests()[-1]

    assert request["path"] == "/api/workflow/nano-banana-2-2"
    assert request["headers"]["content-type"] == "multipart/form-data"
    assert request["body"] == [
        {"name": "PROMPT", "value": "a lamp"},
        {
            "name": "image",
            "file_name": "one.png",
            "media_type": "image/png",
            "size_bytes": len(image_file()),
            "sha256": SHA256,
        },
        {"name": "image_size", "value": "1K"},
    ]


def test_a_form_is_the_same_whatever_its_boundary(apiai: Buyer) -> None:
    images = [apiai.send_form(FIELDS).headers["x-cost"] for _ in range(2)]

    first, second = apiai.sandbox.requests()[-2:]

    assert images[0] == images[1]
    assert first["body"] == second["body"]
    assert first["headers"] == second["headers"]


def test_another_image_is_another_request(apiai: Buyer) -> None:
    def cost(colour_of: tuple[int, int]) -> str:
        image = ("one.png", image_file(size=colour_of), "image/png")
        reply = apiai.send_form([("PROMPT", "a lamp"), ("image", image)])
        return reply.headers["x-cost"]

    costs = {cost((16, height)) for height in range(1, 9)}

    assert len(costs) > 1


def test_an_image_in_json_is_kept_as_its_digest(nanobananaapi: Buyer) -> None:
    nanobananaapi.buy(ref_images=["https://a.example/b.png", data_uri()])

    request = nanobananaapi.sandbox.requests()[-1]

    assert request["path"] == "/v1/images/generate"
    assert request["body"]["ref_images"] == [
        "https://a.example/b.png",
        f"data:image/png;base64,<{len(image_file())} bytes, sha256 {SHA256}>",
    ]


def test_bare_base64_of_an_image_is_kept_as_its_digest_too(openai: Buyer) -> None:
    openai.buy(image=base64.b64encode(image_file()).decode())

    request = openai.sandbox.requests()[-1]

    assert request["outcome"] == "invalid"
    assert request["body"]["image"] == f"<{len(image_file())} bytes, sha256 {SHA256}>"


def test_a_form_is_kept_without_the_key(apiai: Buyer) -> None:
    apiai.send_form([("PROMPT", f"a poster that says {KEY}")])

    request = apiai.sandbox.requests()[-1]

    assert request["body"] == [{"name": "PROMPT", "value": "a poster that says ***"}]
    assert "x-api-key" not in request["headers"]
    assert KEY not in str(request)


@pytest.mark.parametrize("provider", ["nanobananaapi", "openai"])
def test_the_same_prompt_at_another_endpoint_is_another_request(
    provider: str, request: pytest.FixtureRequest
) -> None:
    buyer: Buyer = request.getfixturevalue(provider)

    buyer.buy("a lamp")

    assert buyer.sandbox.requests()[-1]["path"] == buyer.path


def test_a_state_of_an_older_sandbox_goes_on(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "sandbox.db")) as state:
        state.executescript(
            """
            create table requests (
                id integer primary key, provider text not null,
                number integer not null, at real not null, headers text not null,
                body text not null, outcome text not null,
                unique (provider, number)
            );
            create table images (
                id text primary key, provider text not null, content text not null,
                occurrence integer not null, prompt text not null,
                width_px integer not null, height_px integer not null,
                format text not null, link integer not null default 1,
                issued_at real not null, link_state text not null default 'live',
                downloads integer not null default 0
            );
            insert into requests values
                (1, 'aimlapi', 1, 0, '{}', '{"prompt": "old"}', 'delivered');
            insert into images values
                ('0123456789abcdef0123456789abcdef', 'aimlapi', 'c', 1, 'old',
                 64, 32, 'png', 1, 0, 'live', 0);
            """
        )

    with (
        start_sandbox(tmp_path, latency=0) as sandbox,
        buyer_at(sandbox, "aimlapi") as buyer,
    ):
        old = f"{buyer.url}/files/0123456789abcdef0123456789abcdef-1.png"

        assert buyer.download(old).status_code == 200
        assert buyer.download(buyer.link("new")).status_code == 200
        assert [kept["path"] for kept in sandbox.requests()][:2] == [
            "",
            "/v1/images/generations",
        ]
