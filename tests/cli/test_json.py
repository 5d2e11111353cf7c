"""All JSON speaks one language: named, versioned, exact, and as its page says."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from batchgen.cli.json_writer import FORMATS
from batchgen.ledger import Reader
from batchgen.model import Status, to_nano
from tests.cli.command import KEY, Ended, Shop, batchgen

PAGE = files("batchgen").joinpath("docs/json.md").read_text("utf-8")
EXAMPLES = {
    json.loads(text)["format"]: json.loads(text, parse_float=Decimal)
    for text in re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}
OWN_KEYS = ("models", "options", "prices", "rates", "shutdowns")
"""Keys whose values have keys of their own making: a model, a resolution, a unit."""

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
JOB = """\
manifest = "m.csv"
provider = "gemini"
max_cost = 5
[budget]
per_day = 2
[budget.by]
brand = 1
"""

Document = dict[str, Any]


def read(text: str) -> Document:
    document: Document = json.loads(text, parse_float=Decimal)
    assert next(iter(document)) == "format"
    return document


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a job that was rehearsed, edited, and rehearsed again."""
    folder = tmp_path_factory.mktemp("json")
    (folder / "job.toml").write_text(JOB)
    for prompt in ("a lamp", "a tall lamp"):
        rows = f"id,prompt,brand\na,{prompt},x\nb,a cup,y\nc,,y\n"
        (folder / "m.csv").write_text(rows)
        words = ("run", "job.toml", "--rehearse", "--rebuy", "--json")
        ended = batchgen(*words, at=folder)
        assert ended.code == 3
        (folder / "stderr").write_text(ended.stderr)
    return folder


@pytest.fixture(scope="module")
def documents(folder: Path) -> list[Document]:
    """Return a document of each kind, as the commands write them."""
    run = "out/job-rehearsal"
    bill = folder / run / "sandbox/bill-gemini.csv"
    first, *rest = bill.read_text().splitlines()
    other = re.sub(r"0\.03\d+", "0.04", rest[0])
    (folder / "other.csv").write_text("\n".join([first, other, *rest[1:], ""]))
    calls = [
        ("status", run, "--json"),
        ("check", "job.toml", "--out", run, "--json"),
        ("costs", run, "--by", "brand", "--format", "json"),
        ("reconcile", run, "--bill", "other.csv", "--json"),
        ("reconcile", run, "--unsettle", "--json"),
        ("unpack", run, "--json"),
        ("runs", "--json"),
        ("contact", run, "--json"),
        ("providers", "gemini", "--json"),
        ("providers", "--json"),
        ("config", "--json"),
    ]
    contents = [read(batchgen(*words, at=folder).stdout) for words in calls]
    shutil.copytree(folder / run, folder / "lost")
    (folder / "lost/run.db").write_bytes(b"")
    recovered = batchgen("recover", "job.toml", "--out", "lost", "--json", at=folder)
    contents.append(read(recovered.stdout))
    lines = (folder / "stderr").read_text().splitlines()
    refused = batchgen("run", "nope.csv", "--json", at=folder).stderr
    return [*contents, *map(read, lines), read(refused)]


def test_each_kind_is_written_by_a_command_and_has_its_example(
    documents: list[Document],
) -> None:
    written = {document["format"] for document in documents}

    assert written == {f"batchgen.{kind}/{FORMATS[kind]}" for kind in FORMATS}
    assert written == EXAMPLES.keys()


def test_every_document_is_as_its_example(documents: list[Document]) -> None:
    every = EXAMPLES["batchgen.providers/1"]["providers"]
    provider = dict(EXAMPLES["batchgen.provider/1"])
    provider.pop("format")
    every[:] = [provider]

    for document in documents:
        kind = document["format"]
        assert [*unlike(EXAMPLES[kind], document, kind)] == []


def unlike(example: Any, value: Any, where: str) -> Iterator[str]:
    """Yield where a value has another shape than the example: keys, order, types."""
    if example is None or value is None:
        return
    if isinstance(example, dict) and isinstance(value, dict):
        if where.rpartition(".")[2] in OWN_KEYS:
            sample = next(iter(example.values()))
            for key, item in value.items():
                yield from unlike(sample, item, f"{where}[{key}]")
            return
        if [*example] != [*value]:
            yield f"{where}: {[*value]} instead of {[*example]}"
        for key in example.keys() & value.keys():
            yield from unlike(example[key], value[key], f"{where}.{key}")
    elif isinstance(example, list) and isinstance(value, list):
        for item in value:
            yield from unlike(example[0], item, where)
    elif kind_of(example) != kind_of(value):
        yield f"{where}: {value!r} instead of {example!r}"


def kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | Decimal) else type(value).__name__


def test_every_key_stands_in_the_page(documents: list[Document]) -> None:
    keys = {key for document in documents for key, _ in pairs_of(document)}
    keys -= {"brand"}  # the user's own column

    assert [key for key in sorted(keys) if f'"{key}"' not in PAGE] == []
    words = PAGE.replace('"', "`")
    assert [key for key in sorted(keys) if f"`{key}`" not in words] == []


def pairs_of(value: Any, inside: str = "") -> Iterator[tuple[str, Any]]:
    """Yield keys with their values, however deep; not those that are somebody's own."""
    match value:
        case dict():
            for key, item in value.items():
                if inside not in OWN_KEYS:
                    yield key, item
                yield from pairs_of(item, key)
        case list():
            for item in value:
                yield from pairs_of(item, inside)
        case _:
            pass


def test_amounts_are_numbers_times_are_utc_and_each_status_has_its_number(
    documents: list[Document],
) -> None:
    for document in documents:
        for key, value in pairs_of(document):
            if key.endswith("_usd") or key == "usd":
                assert value is None or isinstance(value, Decimal), key
            if key == "at":
                assert MOMENT.fullmatch(value)
        if isinstance(rows := document.get("rows"), dict):
            assert rows.keys() == {status.value for status in Status}


def test_money_is_that_of_the_ledger_to_the_nano_dollar(
    folder: Path, documents: list[Document]
) -> None:
    with closing(Reader(folder / "out/job-rehearsal/run.db")) as ledger:
        money = ledger.money()
    by_format = {document["format"]: document for document in documents}
    check = by_format["batchgen.check/1"]
    costs = by_format["batchgen.costs/1"]["total"]

    assert money.spent > 0 < money.superseded
    for document in (
        check["rehearsal"],
        by_format["batchgen.status/1"],
        by_format["batchgen.summary/1"],
        by_format["batchgen.reconcile/1"],
        by_format["batchgen.progress/1"],
    ):
        assert to_nano(document["spent_usd"]) == money.spent
        assert to_nano(document["retired_usd"]) == money.superseded
        assert to_nano(document["at_risk_usd"]) == money.at_risk
        assert document["rehearsed"] is True
    assert to_nano(costs["cost_usd"]) == money.spent
    assert (check["bought"]["spent_usd"], check["bought"]["rehearsed"]) == (0, False)


def test_no_amount_has_an_exponent(folder: Path) -> None:
    text = batchgen("providers", "gemini", "--json", at=folder).stdout

    assert '"expected_usd": 0.0000015' in text


# -- every line of stderr


def lines_of(ended: Ended) -> list[Document]:
    return [read(line) for line in ended.stderr.splitlines()]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(["m.csv"], 2, id="no-consent"),
        pytest.param(["m.csv", "--foo"], 2, id="unknown-option"),
        pytest.param(["nope.csv"], 2, id="no-such-file"),
        pytest.param(["m.csv", "--rpm", "many"], 2, id="no-number"),
    ],
)
def test_a_refusal_is_a_json_line_that_holds_the_exit_code(
    words: list[str], code: int, shop: Shop
) -> None:
    shop.catalogue(1)

    ended = shop.run(words[0], *words[1:], "--json")

    last = lines_of(ended)[-1]
    assert (ended.code, last["format"], last["exit_code"]) == (
        code,
        "batchgen.error/1",
        code,
    )
    assert last["message"]
    assert not last["message"].startswith("batchgen:")


def test_a_stop_is_told_in_json_lines_and_the_summary_stays_the_last(
    shop: Shop,
) -> None:
    shop.catalogue(3)

    ended = shop.run("m.csv", "--max-cost", "0.2", "--concurrency", "1", "--json")

    *_, error, last = lines_of(ended)
    assert (error["format"], error["level"]) == ("batchgen.notice/1", "error")
    assert error["message"].startswith("the budget is reached")
    assert (ended.code, last["exit_code"]) == (4, 4)
    assert last["error"]["error"] == "budget_reached"
    assert (last["realm"], last["rehearsed"]) == ("loopback", False)
    assert last["command"].startswith("batchgen run m.csv")


def test_what_is_known_only_in_part_is_null_and_not_nothing(shop: Shop) -> None:
    shop.catalogue(1)
    relay = ("--provider", "gemini", "--base-url", "https://relay.example/v1beta")

    document = read(batchgen("check", "m.csv", *relay, "--json", at=shop.folder).stdout)

    assert document["to_buy"]["expected_usd"] is None
    assert document["to_buy"]["unpriced_images"] == 1
    assert KEY not in json.dumps(document, default=str)


def test_notices_on_the_table_are_told_before_anything_is_sent(shop: Shop) -> None:
    shop.write("m.csv", "ID,prompt\na,a lamp\n")

    ended = shop.run("m.csv", "--yes", "--json")

    notices = [
        line["message"]
        for line in lines_of(ended)
        if line["format"] == "batchgen.notice/1"
    ]
    assert ended.code == 0
    assert any("`ID`" in text for text in notices)
