"""Every edit of a table asks before anything is bought again."""

from __future__ import annotations

import sqlite3
import zipfile
from contextlib import closing
from decimal import Decimal
from hashlib import sha256

import pytest

from tests.cli.command import Keepsake, Shop, batchgen, money, table

BEFORE = (
    "id,prompt\r\n0017,a red cup\r\n90.750,a blue mug\r\n6932169358293,a green pot\r\n"
)
AFTER = "id,prompt\r\n17,a red cup\r\n90.75,a blue mug\r\n6.93217E+12,a green pot\r\n"
GERMAN = 'Artikelname,Preis\r\nTasse,"4,90"\r\nBecher,"5,90"\r\nKanne,"19,00"\r\n'
PHOTO = "Foto von {{ Artikelname }}"


def names(shop: Shop) -> list[str]:
    with zipfile.ZipFile(shop.folder / "out/m/images.zip") as archive:
        assert archive.testzip() is None
        return [name for name in archive.namelist() if not name.endswith(".jsonl")]


def run(shop: Shop, *options: str, source: str = "m.csv") -> tuple[int, str]:
    """Run, and return the exit code and all that was said."""
    ended = shop.run(source, "--yes", *options)
    return ended.code, " ".join((ended.stdout + ended.stderr).split())


def test_ids_that_a_spreadsheet_rewrote_buy_nothing(shop: Shop) -> None:
    shop.write("m.csv", BEFORE)
    assert run(shop)[0] == 0
    before, members = shop.sent, names(shop)
    spent = money(table(shop.folder / "out/m"), "cost_usd")
    shop.write("m.csv", AFTER)

    shown = batchgen("check", "m.csv", *shop.options, at=shop.folder)
    code, words = run(shop)

    message = "3 rows are the same as before under another id or place"
    assert message in " ".join(shown.stdout.split())
    assert (shown.code, code, shop.sent) == (0, 0, before)
    assert message in words
    rows = table(shop.folder / "out/m")
    assert rows["id"].to_list() == ["17", "90.75", "6.93217E+12"]
    assert rows["status"].to_list() == ["succeeded"] * 3
    assert money(rows, "cost_usd") == spent > 0
    assert names(shop) == members == ["0017.png", "90.750.png", "6932169358293.png"]
    files = [file["name"] for row in rows["files"] for file in row]
    assert files == members
    assert "earlier" not in words
    assert "retired" not in words


@pytest.mark.parametrize("sorted_anew", [False, True], ids=["in-order", "sorted-anew"])
def test_renumbered_rows_keep_their_images(shop: Shop, *, sorted_anew: bool) -> None:
    prompts = [f"lamp {number}" for number in range(5)]
    lines = [f"{number},{prompt}" for number, prompt in enumerate(prompts)]
    shop.write("m.csv", "\n".join(["id,prompt", *lines]))
    assert run(shop)[0] == 0
    before = shop.sent
    again = sorted(prompts, reverse=sorted_anew)
    lines = [f"{number + 1},{prompt}" for number, prompt in enumerate(again)]
    shop.write("m.csv", "\n".join(["id,prompt", *lines]))

    assert run(shop)[0] == 0

    assert shop.sent == before
    rows = table(shop.folder / "out/m")
    assert rows["prompt"].to_list() == again
    assert len(set(names(shop))) == 5


def test_one_character_in_a_template_without_ids_asks(shop: Shop) -> None:
    shop.write("m.csv", GERMAN)
    assert run(shop, "--prompt", PHOTO)[0] == 0
    keepsake, before = Keepsake.of(shop.folder / "out/m"), shop.sent
    shop.write("m.csv", f"{GERMAN}Schale,7\r\n")
    edited = ("--prompt", f"{PHOTO}.")

    refused = shop.run("m.csv", "--yes", "--quiet", *edited)
    shown = batchgen("check", "m.csv", *shop.options, *edited, at=shop.folder)

    assert refused.code == 2
    [message] = [line for line in refused.stderr.splitlines() if "changed" in line]
    assert message == (
        "batchgen: 3 rows (row 0, row 1, row 2) were changed after they were bought. "
        "Buying them again costs $0.2775: add --rebuy, or --keep to leave the images "
        "that you have. Nothing was sent"
    )
    assert "3 rows (row 0, row 1, row 2) were changed" in " ".join(shown.stdout.split())
    assert shop.sent == before
    assert Keepsake.of(shop.folder / "out/m") == keepsake

    code, words = run(shop, "--keep", *edited)
    assert code == 0
    assert "3 rows keep what was bought before an edit" in words
    assert shop.sent == before + 1
    rows = table(shop.folder / "out/m")
    assert rows["prompt"].to_list()[0] == "Foto von Tasse"
    warnings = [(warning or "").partition(":")[0] for warning in rows["warning"]]
    assert warnings == ["outdated"] * 3 + [""]

    code, words = run(shop, "--rebuy", *edited)
    assert code == 0
    assert shop.sent == before + 4
    assert "--rebuy buys them again for $0.2775" in words
    rows = table(shop.folder / "out/m")
    assert rows["prompt"].to_list()[0] == "Foto von Tasse."
    assert rows["warning"].to_list() == [None] * 4
    assert money(rows, "cost_usd") > Decimal("0.0895") * 3


def test_the_word_that_also_buys_what_was_kept_is_offered_with_that_money(
    shop: Shop,
) -> None:
    shop.write("m.csv", GERMAN)
    assert run(shop, "--prompt", PHOTO)[0] == 0
    assert run(shop, "--prompt", f"{PHOTO}.", "--keep")[0] == 0
    before = shop.sent
    shop.write("m.csv", GERMAN.replace("Kanne", "Krug"))

    refused = shop.run("m.csv", "--yes", "--quiet", "--prompt", f"{PHOTO}.")

    assert refused.code == 2
    assert (
        "1 row (row 2) was changed after it was bought. Buying it again costs $0.0925: "
        "add --rebuy, which also buys the 2 rows that kept theirs before an edit, for "
        "about $0.185; or --keep to leave the image that you have" in refused.stderr
    )
    assert shop.sent == before

    code, words = run(shop, "--prompt", f"{PHOTO}.", "--rebuy")
    assert (code, shop.sent) == (0, before + 3)
    assert "--rebuy buys them again for $0.2775" in words


VERSIONS = (("a,a cup\n", ""), ("a,a mug\n", "--rebuy"))


@pytest.mark.parametrize(
    "edits",
    [
        [("x,a cup\ny,a mug\n", "")],
        [("b,a mug\n", ""), ("b,a mug\na,a cup\n", "")],
        [("a,a mug\nb,a cup\n", "--keep")],
        [("b,a mug\n", ""), ("b,a mug\na,a pot\n", "--rebuy")],
    ],
    ids=["both-renamed", "comes-back", "kept", "new-version"],
)
def test_versions_of_a_row_that_are_rows_by_now_have_names_of_their_own(
    shop: Shop, edits: list[tuple[str, str]]
) -> None:
    before = shop.sent
    for lines, option in (*VERSIONS, *edits):
        shop.write("m.csv", f"id,prompt\n{lines}")
        assert run(shop, *option.split())[0] == 0

    assert shop.sent == before + 2 + ("a pot" in edits[-1][0])
    members = names(shop)
    assert len({*members}) == len(members) == 2
    rows = table(shop.folder / "out/m")
    files = [file for row in rows["files"] for file in row]
    assert sorted(file["name"] for file in files) == sorted(members)
    with zipfile.ZipFile(shop.folder / "out/m/images.zip") as archive:
        digests = [sha256(archive.read(file["name"])).hexdigest() for file in files]
    assert digests == [file["sha256"] for file in files]
    verified = batchgen("report", "out/m", "--verify", "--compact", at=shop.folder)
    assert verified.code == 0, verified
    assert names(shop) == members


@pytest.mark.parametrize("earlier", [False, True], ids=["none", "an-earlier-one"])
def test_what_a_row_keeps_has_its_images(shop: Shop, *, earlier: bool) -> None:
    texts = ["a cup", "a mug"] if earlier else ["a mug"]
    for text in texts:
        shop.write("m.csv", f"id,prompt\na,{text}\nb,a pot\n")
        assert run(shop, *(["--rebuy"] if text != texts[0] else []))[0] == 0
    # Its images leave the ZIP while the row stands as it was before, or not at all.
    first = "a,a cup\n" if earlier else ""
    shop.write("m.csv", f"id,prompt\n{first}b,a pot\n")
    assert run(shop)[0] == 0
    assert batchgen("report", "out/m", "--compact", at=shop.folder).code == 0
    before = shop.sent
    shop.write("m.csv", "id,prompt\na,a jug\nb,a pot\n")

    code, words = run(shop, "--keep")

    assert shop.sent == before
    if earlier:
        assert code == 0
        assert table(shop.folder / "out/m")["prompt"].to_list()[0] == "a cup"
    else:
        assert code == 2
        assert 'the images of 1 row (id "a") were removed from the ZIP' in words
        assert "--keep to" not in words


def test_the_table_follows_what_is_kept_after_the_edit_was_read(shop: Shop) -> None:
    shop.write("m.csv", "id,prompt\na,a cup\nb,a mug\n")
    assert run(shop)[0] == 0
    before = shop.sent
    shop.write("m.csv", "id,prompt\na,a mug\nb,a mug\n")
    assert run(shop, "--dedupe")[0] == 0
    assert len(names(shop)) == 1

    assert run(shop, "--dedupe", "--keep")[0] == 0

    assert shop.sent == before
    rows = table(shop.folder / "out/m")
    assert rows["prompt"].to_list() == ["a cup", "a mug"]
    assert min(rows["cost_usd"]) > 0
    assert len(names(shop)) == 2


def test_new_rows_are_bought_as_ever(shop: Shop) -> None:
    shop.write("m.csv", GERMAN)
    assert run(shop, "--prompt", PHOTO)[0] == 0
    before = shop.sent
    shop.write("m.csv", f"{GERMAN}Schale,7\r\n")

    assert run(shop, "--prompt", PHOTO)[0] == 0

    assert shop.sent == before + 1


def test_a_column_becomes_the_id_and_nothing_is_bought_for_that(shop: Shop) -> None:
    shop.write("m.csv", GERMAN)
    code, words = run(shop, "--prompt", PHOTO)
    assert code == 0
    assert "`Artikelname` could be: with --id Artikelname" in words
    before = shop.sent

    code, words = run(shop, "--prompt", PHOTO, "--id", "Artikelname")

    assert (code, shop.sent) == (0, before)
    assert "could be" not in words
    assert table(shop.folder / "out/m")["id"].to_list() == ["Tasse", "Becher", "Kanne"]
    # Whatever happens to the template now, the rows are these rows.
    refused = shop.run(
        "m.csv", "--yes", "--prompt", f"{PHOTO}!", "--id", "Artikelname", "--quiet"
    )
    assert refused.code == 2
    assert (
        '3 rows (id "Tasse", id "Becher", id "Kanne") were changed' in refused.message
    )


def test_the_id_that_the_command_line_names_stands_above_the_job(shop: Shop) -> None:
    shop.write("m.csv", "a,b,text\n1,x,a cup\n1,y,a mug\n")
    shop.write(
        "m.toml",
        'manifest = "m.csv"\nout = "out/m"\n[columns]\nid = "a"\nprompt = "text"\n',
    )

    code, _ = run(shop, "--id", "b", source="m.toml")

    assert code == 0
    assert table(shop.folder / "out/m")["id"].to_list() == ["x", "y"]


def test_an_id_column_that_is_not_there_is_refused_with_those_that_are(
    shop: Shop,
) -> None:
    shop.write("m.csv", GERMAN)

    refused = shop.run("m.csv", "--yes", "--prompt", PHOTO, "--id", "Artikelnahme")

    assert refused.code in (1, 2)
    assert "no column `Artikelnahme`, which --id" in refused.stderr
    assert "`Artikelname`" in refused.stderr


def test_a_half_done_job_goes_on_with_another_model(shop: Shop) -> None:
    shop = Shop(shop.sandbox, shop.folder, "openai")
    four = "id,prompt\na,a cup\nb,a mug\nc,a pot\nd,a jug\n"
    shop.write("m.csv", four)
    job = (
        'manifest = "m.csv"\nout = "out/m"\nprice = 0.05\n'
        '[providers.openai]\nshutdowns = "ignore"\n'
    )
    shop.write("m.toml", job)
    first, later = ("--model", "gpt-image-1.5"), ("--model", "gpt-image-2")
    assert run(shop, *first, "--limit", "2", source="m.toml")[0] == 0
    before = shop.sent

    refused = shop.run("m.toml", "--yes", "--quiet", *later)
    assert refused.code == 2
    assert '2 rows (id "a", id "b")' in refused.message
    assert shop.sent == before

    assert run(shop, *later, "--keep", source="m.toml")[0] == 0
    assert shop.sent == before + 2
    rows = table(shop.folder / "out/m")
    assert rows["model"].to_list() == ["gpt-image-1.5"] * 2 + ["gpt-image-2"] * 2
    assert rows["status"].to_list() == ["succeeded"] * 4

    # What was agreed to stands, and the same command carries on without the word.
    assert run(shop, *later, source="m.toml")[0] == 0
    shop.write("m.csv", f"{four}e,a tray\n")
    assert run(shop, *later, source="m.toml")[0] == 0
    assert shop.sent == before + 3


@pytest.mark.parametrize("options", [(), ("--dedupe",)], ids=["each", "shared"])
def test_check_knows_as_well_as_run_that_equal_rows_were_bought(
    shop: Shop, options: tuple[str, ...]
) -> None:
    shop.write("m.csv", "id,prompt\na,a cup\nb,a cup\nc,a mug\n")
    assert run(shop, *options)[0] == 0
    before = shop.sent
    shop.write("m.csv", "id,prompt\nx,a cup\nb,a cup\nz,a mug\n")

    shown = batchgen("check", "m.csv", *shop.options, *options, at=shop.folder)

    assert "nothing is left to buy" in shown.stdout
    assert "changed" not in shown.stdout
    assert run(shop, *options)[0] == 0
    assert shop.sent == before


def test_check_knows_as_well_as_run_which_equal_rows_were_changed(shop: Shop) -> None:
    shop.write("m.csv", "prompt\na cup\na cup\n")
    assert run(shop)[0] == 0
    shop.write("m.csv", "prompt\na mug\na mug\n")

    shown = batchgen("check", "m.csv", *shop.options, at=shop.folder)

    words = "2 rows (row 0, row 1) were changed"
    assert words in " ".join(shown.stdout.split())
    assert words in shop.run("m.csv", "--yes", "--quiet").message


def test_both_words_at_once_are_refused(shop: Shop) -> None:
    shop.catalogue(1)

    refused = shop.run("m.csv", "--yes", "--keep", "--rebuy")

    assert refused.code == 2
    assert "say one of them" in refused.message


def test_check_reads_the_ledger_of_an_older_batchgen_and_leaves_it_as_it_is(
    shop: Shop,
) -> None:
    shop.write("m.csv", BEFORE)
    assert run(shop)[0] == 0
    path = shop.folder / "out/m/run.db"
    with closing(sqlite3.connect(path)) as ledger:
        ledger.executescript(
            "DROP VIEW waiting_rows; DROP TABLE parents;"
            "DROP VIEW paid_rows; DROP TABLE former_keys; DROP INDEX plan_by_kept;"
            + "".join(
                f"ALTER TABLE plan DROP COLUMN {name};"
                for name in ("key", "fingerprint", "former", "kept_for", "took")
            )
            + "PRAGMA user_version = 7;"
        )
    before = path.read_bytes()
    shop.write("m.csv", AFTER)

    shown = batchgen("check", "m.csv", *shop.options, at=shop.folder)

    assert shown.code == 0, shown
    assert "nothing is left to buy" in shown.stdout
    assert path.read_bytes() == before
    sent = shop.sent
    assert run(shop)[0] == 0
    assert shop.sent == sent
