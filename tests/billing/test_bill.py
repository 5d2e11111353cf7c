"""Exports are read as providers write them; what cannot be read names its place."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from batchgen.billing.bill import BillFormat, BillLine, read_bill
from batchgen.errors import SpecError

PLAIN = BillFormat()
AT = 1_795_132_800_000_000  # 2026-11-20, midnight UTC
LINE = BillLine(2, "call-1", AT, 41_500_000)


def wrote(folder: Path, text: str, name: str = "bill") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param(
            "id,time,amount\ncall-1,2026-11-20T00:00:00Z,0.0415\n", 2, id="csv"
        ),
        pytest.param(
            "\ufeffid;time;amount\r\ncall-1;2026-11-20 00:00:00 UTC;$0.0415\r\n",
            2,
            id="a-spreadsheet's-csv",
        ),
        pytest.param(
            '{"id": "call-1", "time": "2026-11-20", "amount": 0.0415, "tags": ["x"]}',
            1,
            id="json-lines-with-lists",
        ),
        pytest.param(
            'id\ttime\tamount\n"call-1"\t2026-11-20T01:00:00+01:00\t4.15E-2\n',
            2,
            id="tabs",
        ),
        pytest.param(
            '[{"id": "call-1", "time": 1795132800, "amount": 0.0415, "more": {}}]',
            1,
            id="json",
        ),
        pytest.param(
            '{"amount": 1, "data": [{"id": "call-1", "time": 1795132800000, '
            '"amount": "0.0415"}]}',
            1,
            id="json-with-a-list-inside",
        ),
        pytest.param(
            '{\n "data": [\n {"id": "call-1", "time": "1795132800.0", '
            '"amount": 0.041500000}]\n}\n',
            1,
            id="indented-json",
        ),
        pytest.param(
            '{"id": "call-1", "time": 1795132800000000, "amount": 0.0415}\n\n',
            1,
            id="json-lines",
        ),
    ],
)
def test_a_line_is_read_whatever_the_file_is(
    text: str, number: int, tmp_path: Path
) -> None:
    [line] = read_bill(wrote(tmp_path, text), PLAIN)

    assert line == BillLine(number, LINE.id, LINE.at, LINE.nano)


def test_columns_units_and_time_zone_are_as_the_user_says(tmp_path: Path) -> None:
    path = wrote(
        tmp_path, "request_id,created_at,credits\nr-1,2026-11-20 01:00:00,178975\n"
    )
    form = BillFormat(
        id="request_id",
        time="created_at",
        amount="credits",
        usd_per_unit=Decimal("0.0000005"),
        zone=ZoneInfo("Europe/Berlin"),
    )

    assert read_bill(path, form) == [BillLine(2, "r-1", AT, 89_487_500)]


def test_a_bill_may_lack_ids_and_have_money_back(tmp_path: Path) -> None:
    path = wrote(tmp_path, "time,amount\n2026-11-20,0.04\n2026-11-20,-0.04\n")

    lines = read_bill(path, PLAIN)

    assert [(line.id, line.at, line.nano) for line in lines] == [
        (None, AT, 40_000_000),
        (None, AT, -40_000_000),
    ]


def test_a_bill_with_nothing_on_it_is_a_bill(tmp_path: Path) -> None:
    assert read_bill(wrote(tmp_path, "id,time,amount\n"), PLAIN) == []
    assert read_bill(wrote(tmp_path, "[]"), PLAIN) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param("id,time,cost\na,2026-11-20,1\n", "--columns", id="no-amount"),
        pytest.param(
            "id,time,amount\na,2026-11-20,1\nb,yesterday,1\n",
            "line 3, column time: 'yesterday'",
            id="no-time",
        ),
        pytest.param(
            "id,time,amount\na,2026-11-20,free\n",
            "column amount: 'free'",
            id="no-money",
        ),
        pytest.param(
            "id,time,amount\na,2026-11-20,NaN\n", "column amount: 'NaN'", id="nan"
        ),
        pytest.param(
            "id,time,amount\na,2026-11-20,1,2\n", "more cells", id="too-many-cells"
        ),
        pytest.param(
            '{"time": 1, "amount": 1}\n{"id"', "line 2: not JSON", id="torn-json-lines"
        ),
        pytest.param("[1]", "not an object", id="no-objects"),
        pytest.param('{\n"a": [], "b": []}', "no list", id="two-lists"),
    ],
)
def test_what_cannot_be_read_names_its_place(
    text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError) as caught:
        read_bill(wrote(tmp_path, text, "export.csv"), PLAIN)

    assert "export.csv" in str(caught.value)
    assert message in str(caught.value)
