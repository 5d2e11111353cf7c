"""Wrong input: one clear message, the right exit code, nothing sent, nothing lost."""

from __future__ import annotations

import zipfile

import pytest

from tests.cli.command import KEY, Ended, Keepsake, Shop, batchgen, table

GOOD = "id,prompt\na,a lamp\nb,a cup\n"
UNREADABLE = [
    pytest.param("m.csv", "", ["m.csv: the file is empty"], id="empty-file"),
    pytest.param("m.csv", "id,prompt\n", ["m.csv: no rows below"], id="header-only"),
    pytest.param(
        "m.csv", "id,text\na,x\n", ["m.csv: no column `prompt`"], id="no-prompt"
    ),
    pytest.param(
        "m.csv",
        "id,prompt\na,a lamp\nb,a cup,red\n",
        ["m.csv, row 1, line 3: it has 3 cells, the header has 2"],
        id="ragged-line",
    ),
    pytest.param(
        "m.csv",
        'id,prompt\na,a lamp\nb,"a cup\nc,a mug\n',
        ["m.csv, row 1, line 3: column `prompt`", "never closed"],
        id="quote-never-closed",
    ),
    pytest.param(
        "m.csv",
        "id,prompt\na,é\n".encode() + b"b,caf\xe9\n",
        ["m.csv, row 1, line 3: not UTF-8: byte 6"],
        id="not-utf-8",
    ),
    pytest.param(
        "m.csv",
        b"id,prompt\na,a lamp\nb,a\0cup\n",
        ["m.csv, row 1, line 3: a NUL at byte 4"],
        id="nul-byte",
    ),
    pytest.param(
        "m.parquet",
        b"PAR1 and then nothing of it",
        ["m.parquet: not a whole Parquet file"],
        id="broken-parquet",
    ),
    pytest.param(
        "m.doc", b"PK", ["m.doc: neither a job file", "CSV"], id="unknown-format"
    ),
]


@pytest.mark.parametrize(("name", "content", "pieces"), UNREADABLE)
def test_a_manifest_that_cannot_be_read_ends_in_one_message_and_sends_nothing(
    shop: Shop, name: str, content: str | bytes, pieces: list[str]
) -> None:
    shop.write(name, content)
    before = shop.sent

    ended = shop.run(name, "--yes", "--quiet")

    assert ended.code == 1
    assert all(piece in ended.message for piece in pieces), ended.message
    assert ended.stdout == ""
    assert shop.sent == before


def test_a_first_run_on_a_wrong_header_binds_no_folder(shop: Shop) -> None:
    shop.write("wrong.csv", "id,text\na,x\n")
    shop.write("right.csv", GOOD)
    shop.run("wrong.csv", "--yes", "--out", "mine")

    ended = shop.run("right.csv", "--yes", "--out", "mine")

    assert ended.code == 0, ended.stderr


def test_a_manifest_that_breaks_later_costs_nothing_that_was_bought_before(
    shop: Shop,
) -> None:
    shop.write("m.csv", GOOD)
    assert shop.run("m.csv", "--yes").code == 0
    keepsake, bought = Keepsake.of(shop.folder / "out/m"), shop.sent

    for broken in (b"", b"id,prompt\n", b"id,prompt\na\n", b'id,prompt\na,"x\n', b"\0"):
        shop.write("m.csv", broken)
        assert shop.run("m.csv", "--yes", "--quiet").code == 1, broken
        assert Keepsake.of(shop.folder / "out/m") == keepsake, broken

    shop.write("m.csv", GOOD + "c,a mug\n")
    assert shop.run("m.csv", "--yes").code == 0
    assert shop.sent == bought + 1


def test_a_file_that_is_not_there_is_named_with_the_nearest_that_is(shop: Shop) -> None:
    shop.write("catalogue.csv", GOOD)

    ended = shop.run("catalog.csv", "--yes")

    assert ended.code == 2
    assert ended.message == "no such file: catalog.csv: did you mean catalogue.csv?"


def test_a_folder_is_no_source(shop: Shop) -> None:
    (shop.folder / "jobs").mkdir()

    ended = shop.run("jobs", "--yes")

    assert ended.code == 1
    assert ended.message.startswith("jobs is a folder: name a job file")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param(
            "concurency = 3",
            "j.toml: unknown key `concurency`: did you mean `concurrency`?",
            id="unknown-key",
        ),
        pytest.param(
            "rpm = 'fast'", "j.toml, `rpm`: 'fast' is not a number", id="wrong-value"
        ),
        pytest.param("rpm =", "j.toml, line 3, column 6: no valid TOML", id="no-toml"),
        pytest.param(
            "[columns]\npromt = 'x'",
            "j.toml, [columns]: unknown key `promt`: did you mean `prompt`?",
            id="unknown-column",
        ),
    ],
)
def test_a_job_file_is_blamed_with_the_place_and_the_nearest_right_word(
    shop: Shop, line: str, message: str
) -> None:
    shop.write("m.csv", GOOD)
    shop.write("j.toml", f'manifest = "m.csv"\nprovider = "aimlapi"\n{line}\n')

    ended = batchgen("run", "j.toml", "--yes", at=shop.folder)

    assert ended.code == 1
    assert ended.message.startswith(message)
    assert not (shop.folder / "out").exists()


def row_messages(ended: Ended) -> list[str]:
    return [line.strip() for line in ended.stdout.splitlines() if ", row " in line]


def test_repeated_and_empty_ids_are_named_and_the_other_rows_run(shop: Shop) -> None:
    shop.write("m.csv", "id,prompt\na,a lamp\na,a cup\n,a mug\nb,a jug\n")

    ended = shop.run("m.csv", "--yes", "--quiet")

    assert ended.code == 3
    assert ended.stderr == ""
    assert row_messages(ended) == [
        "m.csv, row 1, line 3, column `id`: repeats the id of an earlier row; "
        "ids must differ",
        "m.csv, row 2, line 4, column `id`: the id is empty",
    ]
    rows = table(shop.folder / "out/m")
    assert rows["status"].to_list() == ["succeeded", "invalid", "invalid", "succeeded"]
    assert rows["cost_basis"].to_list()[1:3] == ["none", "none"]


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_repeated_id_is_named_by_the_column_that_the_table_has(
    shop: Shop, command: str
) -> None:
    shop.write("m.csv", "SKU,prompt\na,a lamp\na,a cup\n")
    consent = ("--yes", "--quiet") if command == "run" else ()
    words = (command, "m.csv", *shop.options, "--id", "SKU", *consent)

    ended = batchgen(*words, at=shop.folder, key=KEY)

    assert "m.csv, row 1, line 3, column `SKU`: repeats the id" in ended.stdout


def test_a_file_name_that_climbs_out_stays_inside_and_check_says_so(shop: Shop) -> None:
    shop.write("m.csv", "filename,prompt\n../../etc/passwd,a lamp\nlamp.png,a cup\n")

    checked = batchgen("check", "m.csv", "--provider", "aimlapi", at=shop.folder)
    ended = shop.run("m.csv", "--yes")

    assert row_messages(checked) == [
        "m.csv, row 0, line 2, column `filename`: '../../etc/passwd' is no safe name; "
        "stored as 'etc/passwd'"
    ]
    assert checked.code == 0
    assert ended.code == 0
    with zipfile.ZipFile(shop.folder / "out/m/images.zip") as archive:
        assert {"etc/passwd.png", "lamp.png"} <= set(archive.namelist())


def test_a_template_over_a_column_that_is_not_there_names_the_column(
    shop: Shop,
) -> None:
    shop.write("m.csv", GOOD)

    ended = shop.run("m.csv", "--yes", "--quiet", "--prompt", "{{ colour }} lamp")

    assert ended.code == 1
    words = "prompt template: m.csv has no column `colour` (the columns are id, prompt)"
    assert ended.message == words
