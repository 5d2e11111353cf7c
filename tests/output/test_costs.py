"""Costs are sums by hand: exact, whatever the groups, and unknown is never 0."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.errors import SpecError
from batchgen.model import ResultRow, Status
from batchgen.output.amounts import Amounts
from batchgen.output.cost_report import Costs, ResultTables, arrow_of, csv_of
from batchgen.output.result_table import write_table
from tests.output.test_table import DONE, PENDING, PICTURE

MIDNIGHT = datetime(2026, 11, 19, tzinfo=UTC)
HIGHEST = Decimal("999999999.999999999")
USD = st.decimals(Decimal(0), HIGHEST, places=9)
PRICE = st.sampled_from([Decimal("0.0925"), Decimal("0.067"), Decimal("0.105284211")])
MONEY = st.one_of(st.just(Decimal(0)), PRICE, USD)

ROWS = st.lists(
    st.builds(
        replace,
        st.just(PENDING),
        status=st.sampled_from(Status),
        resolution=st.sampled_from(["1K", "2K", None]),
        files=st.integers(0, 3).map(lambda count: (PICTURE,) * count),
        attempts=st.integers(0, 2),
        cost_usd=st.none() | MONEY,
        at_risk_usd=st.none() | MONEY,
        at_risk_attempts=st.integers(0, 2),
        estimated_usd=st.none() | MONEY,
        started_at=st.none()
        | st.integers(0, 3 * 24 * 60).map(
            lambda minutes: MIDNIGHT + timedelta(minutes=minutes)
        ),
    ),
    max_size=12,
)
OWN = st.sampled_from(["Bauhaus", "", "Café, 緑", None])


def table_of(
    path: Path, rows: Sequence[ResultRow], own: pl.DataFrame | None = None
) -> Path:
    """Write a result table just as a run does."""
    data = schema = None
    if own is not None:
        data, schema = ipc(own), ipc(own.clear())
    write_table(path, [(rows, data)], schema)
    return path


def ipc(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer)
    return buffer.getvalue()


def costs_of(*tables: Path, by: Sequence[str] = ()) -> Costs:
    return ResultTables(tables).costs(by)


def by_values(costs: Costs) -> dict[tuple[object, ...], Amounts]:
    return {group.values: group.amounts for group in costs}


def summed(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def by_hand(rows: Sequence[ResultRow]) -> dict[str, Any]:
    """Return the sums of some rows, and which are unknown, row by row."""
    priced = [row for row in rows if row.cost_usd is not None]
    failed = [row for row in rows if row.status is not Status.SUCCEEDED]
    settled = [row for row in priced if row.attempts and not row.at_risk_attempts]
    settled = [row for row in settled if row.at_risk_usd == 0]
    compared = [row for row in settled if row.estimated_usd is not None]

    def amount(of: Sequence[ResultRow], name: str) -> Decimal | None:
        values = [getattr(row, name) for row in of]
        return summed(values) or (None if None in values else Decimal(0))

    return {
        "rows": len(rows),
        "unknown_rows": len(rows) - len(priced),
        "images": sum(len(row.files) for row in rows if row.attempts),
        "cost_usd": amount(rows, "cost_usd"),
        "wasted_usd": amount(failed, "cost_usd"),
        "at_risk_usd": amount(rows, "at_risk_usd"),
        "at_risk_attempts": sum(row.at_risk_attempts for row in rows),
        "at_risk_unknown_rows": sum(row.at_risk_usd is None for row in rows),
        "estimated_usd": summed(row.estimated_usd for row in compared),
        "actual_usd": summed(row.cost_usd for row in compared),
    }


def sums_in(amounts: Amounts) -> dict[str, Any]:
    return {name: getattr(amounts, name) for name in by_hand([])}


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_groups_are_the_sums_by_hand_and_add_up_to_the_total(
    data: st.DataObject,
) -> None:
    parts = [data.draw(ROWS) for _ in range(data.draw(st.integers(1, 3)))]
    brands = [[data.draw(OWN) for _ in rows] for rows in parts]
    labelled = [
        (row, brand)
        for rows, names in zip(parts, brands, strict=True)
        for row, brand in zip(rows, names, strict=True)
    ]
    groups: dict[tuple[object, ...], list[ResultRow]] = {}
    for row, brand in labelled:
        day = row.started_at and row.started_at.date()
        key = (brand, day, row.resolution)
        groups.setdefault(key, []).append(row)

    with tempfile.TemporaryDirectory() as folder:
        tables = [
            table_of(
                Path(folder) / f"{at}.parquet",
                rows,
                pl.DataFrame({"brand": names}, {"brand": pl.String}),
            )
            for at, (rows, names) in enumerate(zip(parts, brands, strict=True))
        ]
        costs = costs_of(*tables, by=["brand", "day", "resolution"])

    assert {key: sums_in(amounts) for key, amounts in by_values(costs).items()} == {
        key: by_hand(rows) for key, rows in groups.items()
    }
    assert sums_in(costs.total) == by_hand([row for row, _ in labelled])
    for name in ("cost_usd", "estimated_usd", "actual_usd"):
        parts_of = [getattr(amounts, name) for amounts in by_values(costs).values()]
        assert summed(parts_of) == summed([getattr(costs.total, name)])
    assert sums_in(costs.after(0)) == sums_in(costs.total)


def test_sums_pass_what_one_cell_can_hold(tmp_path: Path) -> None:
    rich = replace(DONE, cost_usd=HIGHEST, estimated_usd=HIGHEST, at_risk_usd=HIGHEST)
    table = table_of(tmp_path / "t.parquet", [rich] * 1_000)

    costs = costs_of(table, by=["provider"])

    assert costs.total.cost_usd == HIGHEST * 1_000
    (group,) = costs
    assert group.amounts == costs.total
    assert str(HIGHEST * 1_000) in csv_of([costs])
    assert arrow_of([costs])["at_risk_usd"].to_pylist() == [HIGHEST * 1_000]


def test_an_image_costs_its_share_of_all_that_was_paid_and_known(
    tmp_path: Path,
) -> None:
    two, none = (PICTURE, PICTURE), ()
    rows = [
        replace(DONE, files=two, cost_usd=Decimal("0.1")),
        replace(DONE, files=none, cost_usd=Decimal("0.1"), status=Status.FAILED),
        replace(DONE, files=(PICTURE,), cost_usd=Decimal(0)),
        # Neither its images nor its cost: nobody knows what they cost.
        replace(DONE, files=two, cost_usd=None),
    ]

    total = costs_of(table_of(tmp_path / "t.parquet", rows)).total

    assert total.images == 5
    assert total.per_image_usd == Decimal("0.066666667")
    assert total.wasted_share == 0.5
    assert total.unknown_rows == 1


def test_a_shared_purchase_counts_its_images_once(tmp_path: Path) -> None:
    bought = replace(
        DONE,
        cost_usd=Decimal("0.0925"),
        estimated_usd=Decimal("0.09"),
        at_risk_usd=Decimal(0),
        at_risk_attempts=0,
    )
    shared = replace(
        DONE,
        row=1,
        attempts=0,
        cost_usd=Decimal(0),
        estimated_usd=Decimal(0),
        shared_with=DONE.id,
    )
    path = tmp_path / "t.parquet"
    write_table(path, [([bought, shared], None)], None, is_shared=True)

    total = costs_of(path).total

    assert (total.rows, total.images) == (2, 2)
    assert total.per_image_usd == Decimal("0.04625")
    assert (total.estimated_usd, total.actual_usd) == (
        Decimal("0.09"),
        Decimal("0.0925"),
    )


def test_what_only_unknown_rows_cost_is_null_and_not_0(tmp_path: Path) -> None:
    unknown = replace(DONE, status=Status.FAILED, cost_usd=None, at_risk_usd=None)
    rows = [unknown, replace(PENDING, row=1), replace(DONE, row=2)]

    groups = by_values(costs_of(table_of(tmp_path / "t.parquet", rows), by=["status"]))

    failed = groups["failed",]
    assert (failed.cost_usd, failed.wasted_usd, failed.wasted_share) == (None,) * 3
    assert (failed.unknown_rows, failed.per_image_usd, failed.at_risk_usd) == (
        *(1, None),
        None,
    )
    assert groups["pending",].cost_usd == 0
    assert groups["succeeded",].wasted_usd == 0
    together = costs_of(tmp_path / "t.parquet").total
    assert together.cost_usd == DONE.cost_usd
    assert together.wasted_usd is None


def test_tables_of_differing_manifests_go_together(tmp_path: Path) -> None:
    row = replace(DONE, cost_usd=Decimal("0.1"))
    text = table_of(tmp_path / "1.parquet", [row], pl.DataFrame({"sku": ["7"]}))
    number = table_of(tmp_path / "2.parquet", [row], pl.DataFrame({"sku": [7]}))
    without = table_of(tmp_path / "3.parquet", [row])

    costs = costs_of(text, number, without, by=["sku", "provider"])

    images = {values: amounts.images for values, amounts in by_values(costs).items()}
    assert images == {("7", "aimlapi"): 4, (None, "aimlapi"): 2}
    assert by_values(costs_of(number, without, by=["sku"])).keys() == {(7,), (None,)}


def test_the_dearest_group_comes_first_and_days_in_their_order(tmp_path: Path) -> None:
    moments = [MIDNIGHT, MIDNIGHT + timedelta(hours=23), MIDNIGHT + timedelta(hours=24)]
    rows = [
        replace(DONE, started_at=moment, cost_usd=Decimal(cost), provider=provider)
        for moment, cost, provider in zip(moments, (1, 2, 4), "aba", strict=True)
    ]
    table = table_of(tmp_path / "t.parquet", rows)

    assert [group.values for group in costs_of(table, by=["provider"])] == [
        ("a",),
        ("b",),
    ]
    days = [
        (str(day), provider)
        for day, provider in (
            group.values for group in costs_of(table, by=["day", "provider"])
        )
    ]
    assert days == [("2026-11-19", "b"), ("2026-11-19", "a"), ("2026-11-20", "a")]


@pytest.mark.parametrize(
    ("own", "by", "heading", "value"),
    [
        pytest.param("day", "day", "day", DONE.started_at, id="our-day"),
        pytest.param("day", "manifest_day", "manifest_day", "own", id="its-own-day"),
        pytest.param("rows", "rows", "by_rows", "own", id="a-name-of-ours"),
        pytest.param("status", "manifest_status", "manifest_status", "own", id="taken"),
    ],
)
def test_a_name_that_is_taken_is_kept_apart(
    own: str, by: str, heading: str, value: Any, tmp_path: Path
) -> None:
    table = table_of(tmp_path / "t.parquet", [DONE], pl.DataFrame({own: ["own"]}))

    costs = costs_of(table, by=[by])

    (group,) = costs
    assert costs.headings == (heading,)
    assert group.values == (value.date() if by == "day" else value,)
    assert group.amounts.rows == 1
    assert csv_of([costs]).startswith(f"{heading},rows,")


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    table = table_of(tmp_path / "[1]*.parquet", [DONE])

    assert costs_of(table).total.rows == 1


def test_a_table_without_rows_cost_nothing(tmp_path: Path) -> None:
    costs = costs_of(table_of(tmp_path / "t.parquet", []), by=["status"])

    assert len(costs) == 0
    assert sums_in(costs.total) == by_hand([])


def test_what_is_no_result_table_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    floats = tmp_path / "floats.parquet"
    pl.DataFrame({"status": ["succeeded"]}).write_parquet(other)
    frame = pl.read_parquet(table_of(tmp_path / "t.parquet", [DONE]))
    frame.with_columns(pl.col("cost_usd").cast(pl.Float64)).write_parquet(floats)

    with pytest.raises(SpecError, match=r"other\.parquet: .*`files` is missing"):
        ResultTables([other])
    with pytest.raises(SpecError, match=r"floats\.parquet: .*`cost_usd` is Float64"):
        ResultTables([floats])


def test_a_table_that_is_damaged_inside_is_named(tmp_path: Path) -> None:
    whole = table_of(tmp_path / "whole.parquet", [DONE])
    rows = [replace(DONE, row=at, id=f"{at * 7919:x}") for at in range(5_000)]
    table = table_of(tmp_path / "torn.parquet", rows)
    data = bytearray(table.read_bytes())
    data[1_000:-20_000] = bytes(len(data) - 21_000)
    table.write_bytes(data)

    tables = ResultTables([whole, table])

    with pytest.raises(SpecError, match=r"torn\.parquet: not a whole Parquet file"):
        tables.costs(["id"])
