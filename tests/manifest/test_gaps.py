"""Rows that have no value where the template uses one."""

from __future__ import annotations

import io
from datetime import date

import polars as pl
import pytest

from batchgen.manifest.gaps import Gaps
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.template import PromptTemplate
from batchgen.model.row_scope import RowScope
from tests.manifest.conftest import MakeJob, ReadRows

COLUMNS = ("Title", "Colour", "My Column")


def lacks(text: str, *cells: str | None) -> tuple[tuple[str, ...], bool]:
    """Return what a row lacks, and whether it has no value at all."""
    aimd_limit = PromptTemplate(text, COLUMNS, "m.csv").gaps
    missing = tuple(aimd_limit.missing_in(dict(zip(COLUMNS, cells, strict=True))))
    return missing, bool(missing) and aimd_limit.is_row_empty(missing)


@pytest.mark.parametrize(
    ("text", "cells", "expected"),
    [
        pytest.param("a {{ Title }}", ("x", "", ""), (), id="has-what-is-named"),
        pytest.param("{{ Title }}{{ Colour }}", ("x", "", ""), ("Colour",), id="one"),
        pytest.param(
            '{{ Title }}{{ row["My Column"] }}',
            ("x", "y", "#REF!"),
            ("My Column",),
            id="subscript-of-the-row",
        ),
        pytest.param(
            "{{ Title }}{{ row.Colour | upper }}",
            ("x", None, ""),
            ("Colour",),
            id="attribute-of-the-row",
        ),
        pytest.param(
            '{{ Title }}{{ row.get("Colour") }}',
            ("x", None, ""),
            ("Colour",),
            id="get-of-the-row",
        ),
        pytest.param(
            "{{ Title }}{% set c = Colour %}{{ c }}",
            ("x", "", ""),
            ("Colour",),
            id="by-a-variable",
        ),
        pytest.param(
            "{{ Title }}{% if Colour %} in {{ Colour }}{% endif %}",
            ("x", "", ""),
            (),
            id="under-if",
        ),
        pytest.param(
            "{{ Title }}{% set c = Colour %}{% if c %} in {{ c }}{% endif %}",
            ("x", "", ""),
            (),
            id="variable-under-if",
        ),
        pytest.param(
            "{{ Title }}{{ ' in ' ~ Colour if Colour }}",
            ("x", "", ""),
            (),
            id="conditional",
        ),
        pytest.param(
            "{{ Title }}{{ Colour | default('white') }}",
            ("x", "", ""),
            (),
            id="default",
        ),
        pytest.param(
            "{{ Title }}{{ Colour | trim | d('white', true) }}",
            ("x", "", ""),
            (),
            id="default-behind-another-filter",
        ),
        pytest.param(
            "{{ Title }}{{ Colour or 'white' }}", ("x", "", ""), (), id="or-a-text"
        ),
        pytest.param(
            "{{ Title or Colour }}", ("", "red", ""), (), id="or-another-column"
        ),
        pytest.param(
            "{{ [Title, Colour] | select | join(' ') }}",
            ("x", "", ""),
            (),
            id="left-out-of-a-list",
        ),
        pytest.param(
            "{{ Title }}{% if Colour is defined and Colour %}{{ Colour }}{% endif %}",
            ("x", "", ""),
            (),
            id="is-defined",
        ),
        pytest.param(
            "{{ Title }}{% if Colour %} in {{ Colour }}{% endif %}",
            ("x", "nan", ""),
            ("Colour",),
            id="a-condition-takes-nan-for-a-value",
        ),
        pytest.param(
            "{{ Title }}{{ Colour | default('white') }}",
            ("x", "nan", ""),
            (),
            id="default-does-not",
        ),
        pytest.param(
            "a cup{% if Colour %} in {{ Colour }}{% endif %}",
            ("", "", ""),
            (),
            id="all-is-provided-for",
        ),
    ],
)
def test_a_row_lacks_values_that_the_template_needs(
    text: str, cells: tuple[str | None, ...], expected: tuple[str, ...]
) -> None:
    assert lacks(text, *cells) == (expected, False)


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        pytest.param("a {{ Title }}", ("", "red", "x"), id="one-column"),
        pytest.param("{{ Title }}{{ Colour }}", ("#N/A", " ", "x"), id="two"),
        pytest.param(
            "{{ Title }}{% if Colour %}{{ Colour }}{% endif %}",
            ("", "", "x"),
            id="another-under-if",
        ),
        pytest.param("{{ Title or Colour }}", ("", "", "x"), id="or"),
        pytest.param(
            "{% if Title %}{{ Title }}{% else %}{{ Colour }}{% endif %}",
            ("", "", "x"),
            id="else",
        ),
        pytest.param(
            "{% for name, cell in row.items() %}{{ cell }}{% endfor %}",
            ("", "", ""),
            id="the-whole-row",
        ),
    ],
)
def test_a_row_with_none_of_the_values_has_nothing_to_go_by(
    text: str, cells: tuple[str, ...]
) -> None:
    missing, is_whole = lacks(text, *cells)

    assert missing
    assert is_whole


def test_a_row_with_none_of_the_values_is_invalid_but_for_one_that_was_started(
    read_rows: ReadRows,
) -> None:
    rows = read_rows("Title,n\ncup,1\n,1\nnan,1\n", prompt="Photo of {{ Title }}")

    assert [row.problem is None for row in rows] == [True, False, False]
    for row in rows[1:]:
        assert row.problem is not None
        assert row.problem.column == "Title"
        assert row.problem.spares_started
        # What was bought before the rule came is known by this.
        assert row.fingerprint is not None


def test_a_row_that_lacks_some_runs_with_a_warning(read_rows: ReadRows) -> None:
    text = "{{ Title }} in {{ Colour }}"

    (row,) = read_rows("Title,Colour\ncup,#REF!\n", prompt=text)

    assert row.problem is None
    assert row.warning is not None
    assert "`Colour` holds '#REF!'" in row.warning


@pytest.mark.parametrize("empty", [None, "buy"])
def test_skip_makes_such_a_row_invalid_and_buy_does_not(
    read_rows: ReadRows, empty: str | None
) -> None:
    text, content = "{{ Title }} in {{ Colour }}", "Title,Colour\ncup,\n"

    (skipped,) = read_rows(content, prompt=text, empty="skip")
    (bought,) = read_rows(content, prompt=text, empty=empty)

    assert skipped.problem is not None
    assert 'empty = "skip"' in skipped.problem.message
    assert skipped.problem.spares_started
    assert bought.problem is None
    assert bought.fingerprint == skipped.fingerprint


@pytest.mark.parametrize(
    "prompt", ["nan", "#REF!", "None", "\u200b"], ids=["nan", "ref", "none", "unseen"]
)
def test_a_prompt_that_stands_for_a_missing_value_is_invalid(
    read_rows: ReadRows, prompt: str
) -> None:
    (row,) = read_rows(f"prompt,x\n{prompt},1\n")

    assert row.problem is not None
    assert row.problem.column == "prompt"
    assert row.problem.message.endswith(
        ": write what the image should show, or leave the row out"
    )
    assert row.problem.spares_started


@pytest.mark.parametrize(
    ("lacking", "rows", "are_many"),
    [
        pytest.param(0, 10, False, id="none"),
        pytest.param(1, 11, False, id="less-than-a-tenth"),
        pytest.param(1, 10, True, id="a-tenth"),
        pytest.param(1, 1, True, id="all"),
    ],
)
def test_many_rows_are_a_tenth_and_more(
    lacking: int, rows: int, *, are_many: bool
) -> None:
    assert Gaps(rows=rows, partial_rows=lacking).are_many is are_many


def test_gaps_are_counted_in_the_rows_in_scope(make_job: MakeJob) -> None:
    lines = "a,\n" * 3 + ",\n" + "b,red\n" * 30_000 + ",\n"
    text = "{{ Title }} in {{ Colour }}"
    manifest = Manifest.open(make_job(f"Title,Colour\n{lines}", prompt=text))

    *_, everything = manifest.gaps()
    *_, first = manifest.gaps(RowScope(4))

    assert (everything.rows, everything.partial_rows, everything.empty_rows) == (
        30_005,
        3,
        2,
    )
    assert (first.rows, first.partial_rows, first.empty_rows) == (4, 3, 1)
    assert first.columns == {"Colour": 4, "Title": 1}


@pytest.mark.parametrize("prompt", ["a cup", "{{ Title | default('cup') }}"])
def test_a_template_that_needs_no_column_reads_no_table(
    make_job: MakeJob, prompt: str
) -> None:
    manifest = Manifest.open(make_job("Title,Colour\n,\n", prompt=prompt))

    assert list(manifest.gaps()) == []


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(pl.Series(["x", " ", None, "\u200b", "#REF!", "nan"]), id="text"),
        pytest.param(pl.Series([1.5, None, float("nan")]), id="numbers"),
        pytest.param(pl.Series([1, None]), id="whole-numbers"),
        pytest.param(pl.Series([["x"], [], None]), id="lists"),
        pytest.param(pl.Series([b"x", b"", None]), id="bytes"),
        pytest.param(pl.Series([None, None], dtype=pl.Null), id="nulls"),
        pytest.param(pl.Series([True, None]), id="truths"),
        pytest.param(pl.Series([date(2026, 1, 1), None]), id="dates"),
    ],
)
def test_gaps_are_counted_as_rows_are_judged(
    make_job: MakeJob, column: pl.Series
) -> None:
    stream = io.BytesIO()
    pl.DataFrame({"x": column}).write_parquet(stream)
    job = make_job(stream.getvalue(), "m.parquet", prompt="a {{ x }}")
    manifest = Manifest.open(job)

    *_, counted = manifest.gaps()

    rows = [row for slice_ in manifest.slices() for row in slice_.rows]
    assert (
        counted.empty_rows
        == sum(bool(row.missing_columns) for row in rows)
        == len(column) - 1 + (column.dtype == pl.Null)
    )
