"""Which provider makes a row, for how much, or why nobody can."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from batchgen.manifest.row import Problem, Row
from batchgen.model import ImageRequest, Job, Price, Terms
from batchgen.providers import PROVIDERS
from batchgen.runner.planner import Choice, entry_of

ROW = Row(
    position=4,
    line=6,
    id=None,
    request=ImageRequest(prompt="a cup"),
    problem=None,
    filename=None,
    provider=None,
    prompt="a cup",
    fingerprint=bytes.fromhex("0123456789abcdef" * 2),
)
AIML, FOX = PROVIDERS["aimlapi"], PROVIDERS["foxapi"]


def asking(row: Row = ROW, **request: object) -> Row:
    assert row.request is not None
    return replace(row, request=replace(row.request, **request))  # type: ignore[arg-type]


@pytest.fixture
def choice(tmp_path: Path) -> Choice:
    job = Job(
        source=tmp_path / "rows.csv",
        manifest=tmp_path / "rows.csv",
        out=tmp_path / "out",
        providers=("aimlapi", "foxapi"),
        terms={"foxapi": Terms(model="fox-2")},
    )
    return Choice(
        job=job,
        chosen=[AIML, FOX],
        others=PROVIDERS,
        prices={"aimlapi": AIML.prices, "foxapi": {}},
    )


def only(choice: Choice, name: str) -> Choice:
    return replace(choice, chosen=[PROVIDERS[name]])


def test_the_first_provider_that_can_do_a_row_makes_it(choice: Choice) -> None:
    plain = entry_of(ROW, choice)
    wide = entry_of(asking(aspect_ratio="21:9"), choice)

    assert (plain.provider, plain.model, plain.problem) == (
        "aimlapi",
        AIML.defaults.model,
        None,
    )
    assert (wide.provider, wide.model, wide.problem) == ("foxapi", "fox-2", None)


def test_the_rows_own_provider_and_model_stand_above_the_jobs(choice: Choice) -> None:
    entry = entry_of(asking(replace(ROW, provider="foxapi"), model="mine"), choice)

    assert (entry.provider, entry.model) == ("foxapi", "mine")


def test_a_provider_that_the_job_does_not_have_is_named_with_the_way_out(
    choice: Choice,
) -> None:
    entry = entry_of(replace(ROW, provider="foxapi"), only(choice, "aimlapi"))

    assert entry.provider is None
    assert entry.at_column == "provider"
    assert entry.problem == (
        "'foxapi' is not among the job's providers (aimlapi); add it to `provider`"
    )


def test_a_row_that_no_chosen_provider_can_do_says_who_could(choice: Choice) -> None:
    entry = entry_of(asking(aspect_ratio="21:9"), only(choice, "aimlapi"))

    assert (entry.provider, entry.model, entry.estimate) == (None, None, None)
    assert entry.at_column == "aspect_ratio"
    assert entry.problem is not None
    assert entry.problem.startswith("aimlapi: no 21:9; it has ")
    assert entry.problem.endswith("; foxapi can do it")


def test_a_row_that_nobody_can_do_names_nobody(choice: Choice) -> None:
    entry = entry_of(asking(aspect_ratio="7:3"), choice)

    assert entry.problem is not None
    assert "can do it" not in entry.problem


def test_a_row_that_cannot_be_read_keeps_its_own_problem(choice: Choice) -> None:
    broken = replace(
        ROW,
        request=None,
        fingerprint=None,
        problem=Problem(column="Text", message="the prompt is empty"),
    )

    entry = entry_of(broken, choice)

    assert (entry.at_column, entry.problem) == ("Text", "the prompt is empty")
    assert (entry.provider, entry.request) == (None, None)


@pytest.mark.parametrize(
    ("resolution", "n", "usd"),
    [
        pytest.param(None, 1, "0.0925", id="the-providers-default"),
        pytest.param("2K", 1, "0.134", id="stated"),
        pytest.param("2K", 3, "0.402", id="for-each-image"),
    ],
)
def test_the_estimate_is_the_expected_price_of_all_images(
    choice: Choice, resolution: str | None, n: int, usd: str
) -> None:
    entry = entry_of(asking(resolution=resolution, n=n), choice)

    assert entry.estimate == int(Decimal(usd).scaleb(9))


def test_a_row_without_a_known_price_has_no_estimate(choice: Choice) -> None:
    assert entry_of(asking(aspect_ratio="21:9"), choice).estimate is None

    agreed = {"foxapi": {"*": Price.agreed(Decimal("0.01"), "agreed")}}
    priced = replace(choice, prices=agreed)
    assert entry_of(asking(aspect_ratio="21:9"), priced).estimate == 10_000_000


@pytest.mark.parametrize(
    ("filename", "row_id", "stem"),
    [
        pytest.param(None, None, "row-4-01234567", id="position-and-fingerprint"),
        pytest.param(None, "cup 7", "cup 7", id="id"),
        pytest.param("mugs/big.jpg", "cup 7", "mugs/big", id="filename-before-id"),
        pytest.param("../../etc/passwd", None, "etc/passwd", id="no-way-out"),
        pytest.param(None, "a/b", "a/b", id="an-id-may-make-folders"),
    ],
)
def test_the_name_in_the_archive_comes_from_filename_id_or_position(
    choice: Choice, filename: str | None, row_id: str | None, stem: str
) -> None:
    entry = entry_of(replace(ROW, filename=filename, id=row_id), choice)

    assert entry.stem == stem
