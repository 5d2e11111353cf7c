"""The laws that every run keeps: the one judge of all tests.

The law of money, over a whole run folder: spent <= bill <= spent + at risk. Amounts are
compared exactly, in whole nano-dollars or as decimal numbers.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from io import BytesIO
from typing import TypeVar

from PIL import Image

from tests.books import (
    Books,
    Record,
    is_at_risk,
    named_places,
    prompt_in,
    risk_of,
    total_nano,
    written_places,
)

# A task that ended without its image; a lost link is bought again by `retry` alone.
_ENDED_TASK = ("generation_failed", "refused", "link_lost")

Amount = TypeVar("Amount", int, Decimal)


# -- the law of money


def money_problems(
    spent: Amount, billed: Amount, at_risk: Amount, what: str = "in all"
) -> Iterator[str]:
    """Yield in words what breaks the law of money."""
    if not spent <= billed <= spent + at_risk:
        yield f"{what}: spent {spent}, billed {billed}, at risk {at_risk}"


def check_amounts(spent: Amount, billed: Amount, at_risk: Amount) -> None:
    """Check the law of money for one run folder."""
    problems = list(money_problems(spent, billed, at_risk))
    assert not problems, problems


def check_table_money(rows: Iterable[Record], billed: int) -> None:
    """Check the law of money by a result table alone, where nothing is retired."""
    table = list(rows)
    spent = total_nano(row["cost_usd"] for row in table)
    check_amounts(spent, billed, total_nano(row["at_risk_usd"] for row in table))


def ledger_problems(
    attempts: Iterable[Record], billed: Counter[str], *, spent: int, at_risk: int
) -> Iterator[str]:
    """Yield what breaks the law as a whole and for each prompt.

    Args:
        attempts: Of the ledger.
        billed: Nano-dollars by prompt.
        spent: What the table says, with what is retired; as is `at_risk`.
    """
    yield from money_problems(spent, billed.total(), at_risk)
    costs: Counter[str] = Counter()
    risks: Counter[str] = Counter()
    for attempt in attempts:
        costs[attempt["prompt"]] += attempt["cost"] or 0
        risks[attempt["prompt"]] += risk_of(attempt)
    if costs.total() != spent:
        yield f"table {spent}, ledger {costs.total()}"
    for prompt in {*billed, *costs, *risks}:
        yield from money_problems(costs[prompt], billed[prompt], risks[prompt], prompt)


def check_money(books: Books) -> None:
    """Spent <= bill <= spent + at risk: as a whole, by prompt, and by entry."""
    problems = list(
        ledger_problems(
            books.attempts,
            books.billed_by_prompt,
            spent=books.spent,
            at_risk=books.at_risk,
        )
    )
    assert not problems, problems
    amounts = {sale["id"]: sale["amount_nano_usd"] for sale in books.bill}
    for attempt in books.attempts:
        if attempt["cost"] and attempt["request_id"] is not None:
            amount = amounts[attempt["request_id"]]
            check_amounts(attempt["cost"], amount, attempt["uncertain"])


# -- all other laws


def check_all(books: Books) -> None:
    """Check every law that holds at every orderly stop."""
    check_table(books)
    check_archive(books)
    check_images(books)
    check_money(books)
    check_nothing_is_bought_again(books)


def check_table(books: Books) -> None:
    """One line for each manifest row, in manifest order."""
    assert [row["row"] for row in books.rows] == list(range(len(books.rows)))


def check_archive(books: Books) -> None:
    """The ZIP is whole, for Python and for unzip, and no member stands twice."""
    path = books.folder / "images.zip"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert len(set(names)) == len(names)
    listed = [file["name"] for row in books.rows for file in row["files"]]
    assert sorted(names) == sorted({*listed, "metadata.jsonl"})
    if unzip := shutil.which("unzip"):
        tested = subprocess.run([unzip, "-tq", path], capture_output=True, check=False)
        assert tested.returncode == 0, tested.stdout


def check_no_image_is_forgotten(books: Books) -> None:
    """Each image that was written to the ZIP is one that the ledger has, and once."""
    assert written_places(books.folder / "images.zip") == named_places(books.folder)


def check_images(books: Books) -> None:
    """Each row that succeeded has all its own images, as the table describes them."""
    digests: Counter[str] = Counter()
    with zipfile.ZipFile(books.folder / "images.zip") as archive:
        lines = archive.read("metadata.jsonl").splitlines()
        for row in books.rows:
            for file in row["files"]:
                data = archive.read(file["name"])
                with Image.open(BytesIO(data)) as image:
                    image.load()
                    assert _prompt_of(image) == row["prompt"]
                    assert image.size == (file["width_px"], file["height_px"])
                assert len(data) == file["size_bytes"]
                assert hashlib.sha256(data).hexdigest() == file["sha256"]
                digests[file["sha256"]] += 1
    assert set(digests.values()) <= {1}
    metadata = map(json.loads, lines)
    assert [(line["file_name"], line["prompt"]) for line in metadata] == [
        (file["name"], row["prompt"]) for row in books.rows for file in row["files"]
    ]


def _prompt_of(image: Image.Image) -> str:
    """Return the prompt that the sandbox wrote into an image."""
    prompt = image.info.get("prompt") or image.info["comment"].decode()
    assert isinstance(prompt, str)
    return prompt


def check_nothing_is_bought_again(books: Books) -> None:
    """What was accepted or delivered has no later purchase; the rest is admitted."""
    _check_parts(books.attempts)
    risky = _count(attempt for attempt in books.attempts if is_at_risk(attempt))
    accounted = risky + _count(
        attempt
        for attempt in books.attempts
        if attempt["state"] == "stored" or _is_paid_and_lost(attempt)
    )
    for prompt, times in books.bought().items():
        assert times <= accounted[prompt], prompt
    for row in books.rows:
        assert row["at_risk_attempts"] == risky[row["prompt"]], row["prompt"]
    arrived = Counter(prompt_in(request["body"]) for request in books.requests)
    sent = _count(books.attempts)
    for prompt, times in arrived.items():
        assert times <= sent[prompt], prompt


def _check_parts(attempts: Iterable[Record]) -> None:
    """Check that only the last attempt at a part may have brought its images."""
    parts: dict[tuple[int, int], list[Record]] = defaultdict(list)
    for attempt in attempts:
        parts[attempt["row_id"], attempt["first_image"]].append(attempt)
    for tries in parts.values():
        for attempt in tries[:-1]:
            assert attempt["state"] not in ("accepted", "delivered", "stored"), tries
            is_ended = attempt["error"] in _ENDED_TASK
            assert attempt["task_id"] is None or is_ended, tries


def _is_paid_and_lost(attempt: Record) -> bool:
    return bool(attempt["cost"]) and attempt["state"] in ("failed", "delivered")


def _count(attempts: Iterable[Record]) -> Counter[str]:
    """Return how many of the attempts each prompt has."""
    return Counter(attempt["prompt"] for attempt in attempts)
