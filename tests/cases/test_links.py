"""Kinds e, f and n: links that are odd, late, closed, or that hold a key."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from tests.cases import replies
from tests.cases.conftest import SKIPS_SLOW, Market
from tests.cases.dialects import (
    WITH_LINKS,
    WITH_TASKS,
    answer_of,
    encoded,
    error,
    link_of,
    links,
)
from tests.cases.encodings import CODINGS, NO_CODINGS
from tests.cases.judge import KEY, Customer, Outcome, among_others, row_of
from tests.cases.server import PRICE, Answer, Request, Service, draw, picture

IMAGE = draw("odd")
PATH = "/img/odd.png"
LATE = replies.load_all("f-link-404-then-image")[1]


def sell_link(service: Service, provider: str, url: str) -> None:
    """Answer the row `odd` with a link, whether at once or by a task."""
    answer = links(provider, url)
    if provider in WITH_TASKS:
        service.polls["odd"] = [Answer(200, answer.body)]
    else:
        service.rows["odd"] = [answer]


def assert_stored(customer: Customer, service: Service) -> Outcome:
    customer.write(["a", "odd", "z"])
    outcome = customer.run(within_s=50)
    outcome.ends(0, others="succeeded")
    assert outcome.members["odd.png"] == IMAGE, outcome.explain()
    assert service.purchases_of("odd") == 1, outcome.explain()
    return outcome


FILES = {
    "e-link-base64": replies.load("e-link-base64"),
    "text of base64": picture(encoded(IMAGE).encode(), Content_Encoding="base64"),
    "text of base64, named so nowhere": picture(base64.encodebytes(IMAGE)),
    "data URI as text": Answer(
        200, f"data:image/png;base64,{encoded(IMAGE)}", {"Content-Type": "text/plain"}
    ),
    "octets": Answer(200, IMAGE, {"Content-Type": "application/octet-stream"}),
    "JSON by its type": Answer(200, IMAGE, {"Content-Type": "application/json"}),
    "chunks": Answer(200, IMAGE, {"Content-Type": "image/png"}, framing="chunks"),
    "until the end": Answer(200, IMAGE, {"Content-Type": "image/png"}, framing="close"),
    **{f"coding {name}": picture(IMAGE, Content_Encoding=name) for name in NO_CODINGS},
    **{
        f"packed as {case}": picture(pack(IMAGE), Content_Encoding=name)
        for case, (name, pack) in CODINGS.items()
    },
}


@pytest.mark.parametrize("provider", ["aimlapi", "foxapi"])
def test_bytes_behind_a_link_are_judged(market: Market, provider: str) -> None:
    customer, service = market.enter(provider)
    for name, file in FILES.items():
        service.paths[f"/img/{row_of(name)}.png"] = [file]
    customer.write(among_others(FILES))
    outcome = customer.run(within_s=60)
    outcome.ends(0, others="succeeded")
    assert len(service.purchases) == len(outcome.rows)
    for name, file in FILES.items():
        plain = file.body if name == "e-link-base64" else IMAGE
        assert outcome.members[f"{row_of(name)}.png"] == plain, name


@pytest.mark.parametrize("provider", WITH_LINKS)
def test_a_relative_link_joins_the_base_url(market: Market, provider: str) -> None:
    customer, service = market.enter(provider)
    sell_link(service, provider, PATH)
    assert_stored(customer, service)


@pytest.mark.parametrize("provider", ["openai", "gccai"])
def test_a_link_without_a_scheme_joins_the_base_url(
    market: Market, provider: str
) -> None:
    customer, service = market.enter(provider)
    sell_link(service, provider, f"{service.url.removeprefix('http:')}{PATH}")
    assert_stored(customer, service)


def closed(header: str, status: int) -> Callable[[Request], Answer]:
    """Return a file that only the key opens."""

    def answer(request: Request) -> Answer:
        is_open = KEY in request.headers.get(header, "")
        return picture(IMAGE) if is_open else error(status, "key needed")

    return answer


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("provider", WITH_LINKS)
def test_a_link_of_the_same_origin_is_asked_once_more_with_the_key(
    market: Market, provider: str, status: int
) -> None:
    customer, service = market.enter(provider)
    service.paths[PATH] = [closed("authorization", status)]
    sell_link(service, provider, link_of("odd"))
    assert_stored(customer, service)
    assert "authorization" not in service.asked(PATH)[0].headers


def test_no_key_goes_to_another_origin_or_along_a_redirect(market: Market) -> None:
    customer = market.open("openai", "aimlapi")
    service, other = customer.services["openai"], customer.services["aimlapi"]
    other.paths["/img/other.png"] = [error(401, "key needed")]
    away = {"Location": f"{other.url}/img/away.png"}
    redirect = Answer(302, b"", away)
    service.paths[PATH] = [error(401, "key needed"), redirect, LATE]
    service.rows["one"] = [links("openai", f"{other.url}/img/other.png")]
    service.rows["two"] = [links("openai", link_of("odd"))]
    customer.write(["one", "two"])
    with customer.underway("--limit", "2") as command:
        assert command.comes_to(lambda: len(service.asked(PATH)) >= 3)
        command.interrupt()
    for request in [*other.requests, *service.asked("/img/other")]:
        assert KEY not in str(request.headers)


def test_no_key_goes_to_a_link_of_a_text(market: Market) -> None:
    customer, service = market.enter("gemini")
    service.paths[PATH] = [error(401, "key needed")]
    service.rows["odd"] = [answer_of([{"text": f"![x]({link_of('odd')})"}])]
    customer.write(["odd"])
    with customer.underway() as command:
        assert command.comes_to(lambda: len(service.asked(PATH)) >= 3)
        command.interrupt()
    for request in service.asked(PATH):
        assert KEY not in str(request.headers)


LATE_S = 3.0
NOT_YET = {
    "f-link-404-then-image": LATE,
    "403": error(403, "AccessDenied"),
    "500": error(500, "try again"),
    "web page": Answer(200, "<html>processing</html>", {"Content-Type": "text/html"}),
    "no bytes yet": Answer(200, b"", {"Content-Type": "image/png"}),
}


def later(first: Answer, name: str) -> Callable[[Request], Answer]:
    """Return a picture that is there only after a while."""
    began: list[float] = []

    def answer(request: Request) -> Answer:
        began.append(request.at_s)
        is_there = request.at_s - began[0] > LATE_S
        return picture(draw(name)) if is_there else first

    return answer


@pytest.mark.parametrize("provider", WITH_LINKS)
def test_a_link_that_is_not_there_yet_is_waited_for(
    market: Market, provider: str
) -> None:
    customer, service = market.enter(provider)
    for name, first in NOT_YET.items():
        service.paths[f"/img/{row_of(name)}.png"] = [later(first, row_of(name))]
    customer.write(among_others(NOT_YET))
    outcome = customer.run(within_s=60)
    outcome.ends(0, others="succeeded")
    assert len(service.purchases) == len(outcome.rows)


@pytest.mark.parametrize(
    ("provider", "command"),
    [("openai", "run"), ("nanobananaapi", "retry"), ("foxapi", "run")],
)
def test_a_later_run_downloads_before_it_buys(
    market: Market, provider: str, command: str
) -> None:
    customer, service = market.enter(provider)
    sell_link(service, provider, link_of("odd"))
    service.paths[PATH] = [LATE]
    customer.write(["a", "odd", "z"])
    with customer.underway("--grace", "1") as run:
        assert run.comes_to(lambda: len(service.asked(PATH)) >= 2)
        run.interrupt()
    service.paths[PATH] = [picture(IMAGE)]
    if command == "retry":
        customer.call("retry", "out")
    outcome = customer.run(within_s=50)
    outcome.ends(0, others="succeeded")
    assert len(service.purchases) == 3, outcome.explain()


@pytest.mark.skipif(SKIPS_SLOW, reason="waits for minutes")
@pytest.mark.parametrize("provider", ["openai", "gccai"])
@pytest.mark.timeout(1500)
def test_retry_tries_a_lost_link_before_it_buys(market: Market, provider: str) -> None:
    customer, service = market.enter(provider)
    sell_link(service, provider, link_of("odd"))
    service.paths[PATH] = [LATE]
    customer.write(["a", "odd", "z"])
    lost = customer.run(within_s=1200)
    lost.ends(3, odd="failed", others="succeeded")
    assert lost.rows["odd"]["error"] == "link_lost", lost.explain()
    assert lost.rows["odd"]["cost_usd"] == PRICE, lost.explain()
    service.paths[PATH] = [picture(IMAGE)]
    customer.call("retry", "out")
    outcome = customer.run(within_s=50)
    outcome.ends(0, others="succeeded")
    assert len(service.purchases) == 3, outcome.explain()


SHORT_KEYS = {"aimlapi": "files", "openai": "local", "foxapi": "none", "gccai": "img"}


@pytest.mark.parametrize(("provider", "key"), SHORT_KEYS.items())
def test_a_placeholder_key_in_a_link_loses_nothing(
    market: Market, provider: str, key: str
) -> None:
    customer, service = market.enter(provider, key)
    host = service.url.replace("127.0.0.1", "localhost")
    sell_link(service, provider, f"{host}/files/odd.png?for={key}")
    assert_stored(customer, service)


def test_the_case_of_a_key_in_a_link(market: Market) -> None:
    customer, service = market.enter("aimlapi", "files")
    service.rows["odd"] = [replies.load_sold("n-key-in-link")]
    customer.write(["a", "odd", "z"])
    outcome = customer.run(within_s=30)
    outcome.ends(0, others="succeeded")
    assert outcome.members["odd.png"] == draw("cup")


@pytest.mark.parametrize("key", ["none", "local", "EMPTY", "sk-1234"])
def test_a_placeholder_key_mangles_no_words(market: Market, key: str) -> None:
    customer, service = market.enter("openai", key)
    message = f"nonetheless the {key} prompt is too long for local EMPTY models"
    service.rows["odd"] = [error(400, message)]
    customer.write(["a", "odd", "z"])
    outcome = customer.run(within_s=30)
    outcome.ends(3, odd="failed", others="succeeded")
    assert message in outcome.rows["odd"]["message"]
    assert message in outcome.terminal


@pytest.mark.parametrize("provider", WITH_LINKS)
def test_a_link_that_holds_a_real_key_is_followed_and_never_written(
    market: Market, provider: str
) -> None:
    customer, service = market.enter(provider)
    sell_link(service, provider, f"{link_of('odd')}?key={KEY}")
    assert_stored(customer, service)


@pytest.mark.parametrize("provider", ["foxapi", "gccai"])
def test_a_fresh_link_of_a_task_never_writes_a_key(
    market: Market, provider: str
) -> None:
    customer, service = market.enter(provider)
    stale = links(provider, link_of("stale"))
    fresh = links(provider, f"{link_of('odd')}?key={KEY}")
    service.polls["odd"] = [Answer(200, stale.body), Answer(200, fresh.body)]
    service.paths["/img/stale.png"] = [error(404, "gone")]
    assert_stored(customer, service)
