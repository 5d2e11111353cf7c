"""What a service repeats of a request is neither a result nor a verdict."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cases.conftest import Market
from tests.cases.dialects import error, finished, link_of, sold
from tests.cases.judge import Customer
from tests.cases.server import PRICE, Answer, draw

ECHO, RESULT = "http://pictures.example/reference.png", "row"
CREDIT = "a bank advert saying insufficient credits, please top up now, for echo"
MODEL = "a catwalk where the model was not found and no such model exists, for echo"
KEY = "a keyring with an invalid api key and the word unauthorized on it, for echo"
POLICY = "a law book open at the content policy violation chapter, for echo"


def write(customer: Customer, prompt: str, references: str = "") -> None:
    lines = [
        "id,prompt,references",
        "usual-1,a picture of a usual-1,",
        f'echo,"{prompt}",{references}',
        "usual-2,a picture of a usual-2,",
    ]
    (customer.folder / "m.csv").write_text("\n".join([*lines, ""]), "utf-8")


SHAPES: dict[str, dict[str, Any]] = {
    "beside": {"images": [ECHO], "data": [{"image_url": ECHO}, {"image_url": RESULT}]},
    "before": {"image_urls": [ECHO], "data": [{"url": ECHO}, {"url": RESULT}]},
}


@pytest.mark.parametrize("provider", ["aimlapi", "nanobananaapi"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_reference_that_came_back_is_no_result(
    market: Market, provider: str, shape: str
) -> None:
    customer, service = market.enter(provider)
    write(customer, "a picture of a echo", ECHO)
    text = {"ok": True, **SHAPES[shape]}
    body: Any = _replaced(text, link_of("echo"))
    service.rows["echo"] = [sold(body)]

    outcome = customer.run()

    outcome.ends(0, others="succeeded")
    assert service.purchases_of("echo") == 1
    assert outcome.members["echo.png"] == draw("echo")


def test_a_reference_in_a_finished_task_is_no_result(market: Market) -> None:
    customer, service = market.enter("foxapi")
    write(customer, "a picture of a echo", ECHO)
    service.polls["echo"] = [
        finished("foxapi", image_urls=[ECHO], url=link_of("echo"), results=None)
    ]

    outcome = customer.run()

    outcome.ends(0, others="succeeded")
    assert outcome.members["echo.png"] == draw("echo")


@pytest.mark.parametrize("prompt", [CREDIT, MODEL, KEY, POLICY])
@pytest.mark.parametrize("provider", ["openai", "gemini", "gccai"])
@pytest.mark.parametrize("quote", ["whole", "cut"])
def test_a_prompt_that_an_error_quotes_without_marks_accuses_nobody(
    market: Market, provider: str, prompt: str, quote: str
) -> None:
    customer, service = market.enter(provider)
    write(customer, prompt)
    quoted = prompt if quote == "whole" else prompt[:-12]
    service.rows["echo"] = [error(400, f"size is not allowed here: {quoted}")]

    outcome = customer.run()

    outcome.ends(3, echo="failed", others="succeeded")
    assert outcome.rows["echo"]["error"] == "request_invalid"
    assert service.purchases_of("echo") == 1


def test_a_prompt_about_credit_makes_no_failure_free(market: Market) -> None:
    customer, service = market.enter("openai")
    write(customer, CREDIT)
    words = f"Internal error while drawing: {CREDIT}"
    service.rows["echo"] = [
        Answer(500, words, {"Content-Type": "text/plain"}, charge=PRICE)
    ]

    outcome = customer.run()

    outcome.ends(3, echo="held", others="succeeded")
    assert outcome.at_risk > 0


def _replaced(value: Any, link: str) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(item, link) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, link) for item in value]
    return link if value == RESULT else value
