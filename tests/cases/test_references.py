"""Kind k: cells as Excel, copy and paste make them, and references as people write."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping

import pytest

from tests.cases.conftest import Market
from tests.cases.dialects import PROVIDERS
from tests.cases.judge import Customer
from tests.cases.server import PRICE, Request

BAD: Mapping[str, tuple[str, str]] = {
    "newline": ("https://example.com/pictures/front\nview.png", "line break"),
    "tab": ("https://example.com/a.png\tfront", "a tab (U+0009)"),
    "zero-width": ("https://\u200bexample.com/x.png", "zero width space, U+200B"),
    "port": ("https://example.com:abc/x.png", "the port 'abc'"),
    "host": ("https://", "has no host"),
    "script": ("javascript:void(0)", "no http(s) URL"),
    "password": ("https://me:hunter2@example.com/x", "user name or password"),
    "idna": ("https://xn--a/x.png", "the host 'xn--a'"),
    "two": ("https://example.com/a https://example.com/b", "holds a second URL"),
    "windows": ("C:\\pictures\\a.png", "as in pictures/a.png"),
    "no-scheme": ("www.example.com/x.png", "https://www.example.com/x.png"),
}


def write(customer: Customer, references: Mapping[str, str]) -> None:
    with (customer.folder / "m.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "prompt", "references"])
        for id_, cell in references.items():
            table.writerow([id_, f"a picture of a {id_}", cell])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_bad_references_end_their_rows_alone_before_anything_is_bought(
    market: Market, provider: str
) -> None:
    customer, service = market.enter(provider)
    write(customer, {id_: cell for id_, (cell, _) in BAD.items()} | {"good": ""})

    checked = customer.call("check", *customer.command("--json")[1:])
    outcome = customer.run()

    assert checked.code == 3
    messages = {
        problem["row"]: problem["message"]
        for problem in json.loads(checked.stdout)["problems"]
    }
    assert len(messages) == len(BAD)
    outcome.ends(3, good="succeeded", others="invalid")
    assert len(outcome.members) == 1
    assert [request.row for request in service.purchases] == ["good"]
    assert outcome.bill == PRICE
    for number, (id_, (_, words)) in enumerate(BAD.items()):
        assert words in messages[number]
        assert outcome.rows[id_]["message"].endswith(
            f", references: {messages[number]}"
        )
        assert "hunter2" not in messages[number]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_however_two_references_are_parted_the_same_is_asked_for(
    market: Market, provider: str
) -> None:
    customer, service = market.enter(provider)
    one, two = f"{service.url}/img/one.png", f"{service.url}/img/two,2.png"
    cells = {
        "bar": f"{one}|{two}",
        "lines": f"{one}\n{two}",
        "comma": f"{one}, {two}",
        "semicolon": f"{one};{two}",
        "json": json.dumps([one, two]),
        "python": f"['{one}', '{two}']",
        "quotes": f'"{one}","{two}"',
    }
    write(customer, cells)

    outcome = customer.run("--concurrency", "1")

    outcome.ends(0, others="succeeded")
    bodies = {request.row: without_row(request) for request in service.purchases}
    assert set(bodies) == set(cells)
    assert len({*bodies.values()}) == 1


def without_row(request: Request) -> bytes:
    """Return a body without what differs from row to row: its id, and a boundary."""
    body = request.content.replace(request.row.encode(), b"")
    boundary = request.headers["content-type"].partition("boundary=")[2]
    return body.replace(boundary.encode(), b"--") if boundary else body
