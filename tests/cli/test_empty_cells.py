"""Rows without a value for the prompt: none is bought before the user says so."""

from __future__ import annotations

import json

import pytest

from tests.cli.command import Shop, batchgen, table

VARIANTS = """Handle,Title,Vendor,Image Src
cup,Red cup,Acme,1.jpg
cup,,,2.jpg
cup,,,3.jpg
cup,,,4.jpg
mug,Mug,Acme,
mug,,,
"""
TITLE = ("--prompt", "Studio photo of {{ Title }}")
BOTH = ("--prompt", "{{ Title }} by {{ Handle }}")


@pytest.fixture
def variants(shop: Shop) -> Shop:
    """Return a shop with a line for each variant and picture."""
    shop.write("m.csv", VARIANTS.replace("cup,Red", f"cup,{shop.folder.name} Red"))
    return shop


@pytest.mark.parametrize("consent", [("--yes",), ("--max-cost", "5")], ids=str)
@pytest.mark.parametrize("prompt", [TITLE, BOTH], ids=["one-column", "two-columns"])
def test_nothing_is_bought_from_a_table_full_of_gaps_without_a_word(
    variants: Shop, consent: tuple[str, ...], prompt: tuple[str, str]
) -> None:
    before = variants.sent

    ended = variants.run("m.csv", *consent, "--quiet", *prompt)

    assert ended.code == 2
    assert variants.sent == before
    assert "4 of 6 rows lack a value" in ended.message
    assert "`Title`: 4 rows" in ended.message
    assert "--empty skip" in ended.message
    assert "Nothing was sent" in ended.message


@pytest.mark.parametrize("how", ["option", "job-file"])
def test_skip_buys_the_rows_that_have_all_values(variants: Shop, how: str) -> None:
    variants.write("job.toml", 'manifest = "m.csv"\nempty = "skip"\nout = "out/m"\n')
    source = ("m.csv", "--empty", "skip") if how == "option" else ("job.toml",)

    ended = variants.run(*source, "--yes", "--quiet", *BOTH)

    rows = table(variants.folder / "out" / "m")
    assert ended.code == 3
    assert rows["status"].to_list() == [
        *("succeeded", "invalid", "invalid", "invalid", "succeeded", "invalid"),
    ]
    assert 'empty = "skip"' in rows["message"][1]


def test_buy_buys_rows_that_have_some_of_the_values_with_a_warning(
    variants: Shop,
) -> None:
    ended = variants.run("m.csv", "--yes", "--quiet", *BOTH, "--empty", "buy")

    rows = table(variants.folder / "out" / "m")
    assert ended.code == 0
    assert rows["status"].to_list() == ["succeeded"] * 6
    assert [text is not None for text in rows["warning"]] == [
        *(False, True, True, True, False, True),
    ]
    assert "`Title` is empty" in rows["warning"][1]


def test_buy_does_not_buy_rows_that_have_none_of_the_values(variants: Shop) -> None:
    ended = variants.run("m.csv", "--yes", "--quiet", *TITLE, "--empty", "buy")

    rows = table(variants.folder / "out" / "m")
    assert ended.code == 3
    assert rows["status"].to_list().count("invalid") == 4


def test_what_was_bought_with_gaps_stays_when_the_job_says_skip(variants: Shop) -> None:
    variants.run("m.csv", "--yes", "--quiet", *BOTH, "--empty", "buy")
    before = variants.sent

    ended = variants.run("m.csv", "--yes", "--quiet", *BOTH, "--empty", "skip")

    assert ended.code == 0
    assert variants.sent == before


def test_a_finished_folder_is_not_refused_for_want_of_the_word(variants: Shop) -> None:
    variants.run("m.csv", "--yes", "--quiet", *BOTH, "--empty", "buy")

    ended = variants.run("m.csv", "--yes", "--quiet", *BOTH)

    assert ended.code == 0


def test_only_rows_in_scope_count_and_later_ones_are_asked_for_then(
    variants: Shop,
) -> None:
    first = variants.run("m.csv", "--yes", "--quiet", *BOTH, "--limit", "1")
    before = variants.sent

    second = variants.run("m.csv", "--yes", "--quiet", *BOTH)

    assert first.code == 0
    assert second.code == 2
    assert variants.sent == before


def test_less_than_a_tenth_of_the_rows_with_gaps_is_no_reason_to_stop(
    shop: Shop,
) -> None:
    lines = [f"{shop.folder.name} {number},red" for number in range(10)]
    shop.write("m.csv", "\n".join(["Title,Colour", *lines, "cup,", ""]))

    ended = shop.run(
        "m.csv", "--yes", "--quiet", "--prompt", "{{ Title }} {{ Colour }}"
    )

    assert ended.code == 0
    assert table(shop.folder / "out" / "m")["warning"].null_count() == 10


def test_one_row_that_lacks_a_value_is_spoken_of_as_one(shop: Shop) -> None:
    shop.write("m.csv", "Title,Handle\nLamp,red\nCup,\nBag,blue\n")

    shown = batchgen("check", "m.csv", *shop.options, *BOTH, at=shop.folder)

    assert "  1 row with some of the values lacks others\n" in shown.stdout


def test_check_counts_the_rows_and_shows_three_finished_prompts(
    variants: Shop,
) -> None:
    words = ("check", "m.csv", *variants.options)

    shown = batchgen(*words, *BOTH, at=variants.folder)
    document = json.loads(batchgen(*words, *BOTH, "--json", at=variants.folder).stdout)

    assert "4 of 6 rows lack a value" in shown.stdout
    assert "4 rows with some of the values lack others" in shown.stdout
    assert "--empty skip or --empty buy" in shown.stdout
    assert document["empty_cells"] == {
        "rows": 6,
        "rows_without_any_value": 0,
        "rows_without_some_values": 4,
        "columns": {"Title": 4},
        "empty": None,
        "is_refused": True,
    }
    assert "4 rows can run, with a warning:" in shown.stdout
    assert document["warned_rows"] == len(document["left_out"]) == 4
    assert [prompt["row"] for prompt in document["prompts"]] == [0, 3, 5]
    for each in document["prompts"]:
        assert f"row {each['row']}, line {each['line']}: " in shown.stdout
    assert document["prompts"][1]["prompt"] == " by cup"


def test_check_counts_rows_that_cannot_run_for_want_of_a_value(variants: Shop) -> None:
    ended = batchgen("check", "m.csv", *variants.options, *TITLE, at=variants.folder)

    assert ended.code == 3
    assert "4 rows have none of the values and are never bought" in ended.stdout
    assert ended.stdout.count("Studio photo of ") == 2


def test_placeholders_in_cells_are_told_of_before_anything_is_bought(
    shop: Shop,
) -> None:
    shop.write("m.csv", f"prompt,Title\n{shop.folder.name} {{{{ Title }}}},cup\n")

    ended = shop.run("m.csv", "--yes")

    assert ended.code == 0
    assert "m.csv: of the first row, 1 holds a placeholder such as " in ended.stderr
    assert "cells are never templates" in ended.stderr
    assert "{{ Title }}" in table(shop.folder / "out" / "m")["warning"][0]


def test_curl_makes_no_request_of_a_row_without_any_value(variants: Shop) -> None:
    words = ("curl", "m.csv", "--row", "1", *variants.options, *TITLE)

    ended = batchgen(*words, at=variants.folder)

    assert ended.code == 1
    assert "row 1, line 3: `Title`: the cell is empty" in ended.message


def test_check_says_how_many_more_rows_have_a_warning(shop: Shop) -> None:
    lines = "".join(f"cup {number},\n" for number in range(30))
    shop.write("m.csv", f"Title,Colour\n{lines}")
    prompt = ("--prompt", "{{ Title }} in {{ Colour }}")

    ended = batchgen("check", "m.csv", *shop.options, *prompt, at=shop.folder)

    assert "30 rows can run, with a warning:" in ended.stdout
    assert "  and 10 more\n" in ended.stdout
