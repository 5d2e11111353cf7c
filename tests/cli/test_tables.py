"""Tables as spreadsheets leave them, from `check` to a rehearsal."""

from __future__ import annotations

import io
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.command import Shop, batchgen, table

GERMAN = """sep=;
Artikelnummer;Titel;Farbe;Preis, EUR;Beschreibung;
0017;Tasse "Größe L";rot;4,50;Steingut, spülmaschinenfest;
0018;Krug;;12,00;"Ein Krug; handgemacht";
""".replace('Tasse "Größe L"', '"Tasse ""Größe L"""')
PROMPT = "Foto von {{ Titel }}{% if Farbe %} in {{ Farbe }}{% endif %}"
COLUMNS = '[columns]\nid = "Artikelnummer"\n'
REHEARSED = ("--rehearse", "--latency", "0", "--quiet", "--provider", "gemini")


def test_a_german_table_goes_through_check_and_a_rehearsal(shop: Shop) -> None:
    shop.write("p.csv", b"\xef\xbb\xbf" + GERMAN.replace("\n", "\r\n").encode())
    job = f'manifest = "p.csv"\nprompt = "{PROMPT}"\nout = "out"\n{COLUMNS}'
    shop.write("job.toml", job)

    checked = batchgen("check", "job.toml", "--provider", "gemini", at=shop.folder)
    ended = batchgen("run", "job.toml", *REHEARSED, "--out", "out", at=shop.folder)

    assert checked.code == 0, checked.stderr
    assert "semicolons part the cells" in checked.stdout
    assert 'Foto von Tasse "Größe L" in rot' in checked.stdout
    assert ended.code == 0, ended.stderr
    rows = table(shop.folder / "out")
    assert rows["id"].to_list() == ["0017", "0018"]
    assert rows["prompt"][1] == "Foto von Krug"
    assert rows["Preis, EUR"].to_list() == ["4,50", "12,00"]
    assert rows["Beschreibung"][1] == "Ein Krug; handgemacht"


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_column_that_polars_cannot_hold_never_ends_in_a_backtrace(
    shop: Shop, command: str
) -> None:
    wide = pa.array([Decimal("1.5")], pa.decimal256(60, 3))
    zone = pa.array([1], pa.timestamp("us", "+02:00"))
    stream = io.BytesIO()
    pq.write_table(pa.table({"prompt": ["a cup"], "w": wide, "z": zone}), stream)
    shop.write("m.parquet", stream.getvalue())
    more = REHEARSED if command == "run" else ("--provider", "gemini")

    carried = batchgen(command, "m.parquet", *more, at=shop.folder)
    needed = batchgen(
        *(command, "m.parquet", *more, "--prompt", "a {{ z }} {{ w }}"), at=shop.folder
    )

    output = carried.stdout + carried.stderr
    assert carried.code == 0
    assert "column `w`: its type decimal256(60, 3)" in output
    assert "column `z`: its type timestamp[us, tz=+02:00]" in output
    assert needed.code == 1
    assert needed.message.startswith("m.parquet, column `w`: its type decimal256")
    assert "panicked" not in output + needed.stderr


def test_a_login_page_in_place_of_a_table_is_named(shop: Shop) -> None:
    shop.write("feed.csv", "<!DOCTYPE html>\n<html><title>Log in</title></html>\n")

    ended = shop.run("feed.csv", "--yes", "--quiet")

    assert ended.code == 1
    assert ended.message.startswith("feed.csv is a web page (HTML), not CSV")
