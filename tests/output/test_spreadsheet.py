"""No cell of a CSV is calculated by whoever opens it."""

from __future__ import annotations

import pytest

from batchgen.output.spreadsheet import plain_cell, safe_cell

FORMULAS = {
    "equals": '=HYPERLINK("https://x.example")',
    "plus": "+1+cmd|' /C calc'!A0",
    "minus": "-2+3+cmd|' /C calc'!A0",
    "at": "@SUM(1+1)",
    "tab": "\t=1+1",
    "return": "\r=1+1",
    "line-break": "\n=1+1",
    "full-width": "\uff1d1+1",
    "full-width-at": "\uff20SUM(1)",
    "apostrophe-before": "'=1+1",
    "phone": "+49 (30) 1234",
}
PLAIN = (
    "",
    "a",
    "a=b",
    "3-4",
    "'tis",
    "-5",
    "+5.25",
    "-1,000.50",
    "-3e5",
    "-12%",
    "a;b",
)


@pytest.mark.parametrize("text", FORMULAS.values(), ids=FORMULAS)
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert safe_cell(text).startswith("'")


@pytest.mark.parametrize("text", ["=1", "+4", "@x", "'=1", "-a", "tis", "'tis", ""])
def test_the_apostrophe_can_be_taken_off(text: str) -> None:
    assert plain_cell(safe_cell(text)) == text


@pytest.mark.parametrize("text", PLAIN)
def test_numbers_and_other_texts_stay_as_they_are(text: str) -> None:
    assert safe_cell(text) == text


@pytest.mark.parametrize("text", ["a;=1+1", "a\t@x", "a\n-2+3"])
def test_a_formula_behind_another_separator_is_none_either(text: str) -> None:
    assert safe_cell(text) == f"{text[:2]}'{text[2:]}"
