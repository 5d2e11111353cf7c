"""Every cent of the table has a basis, and all of them together keep the law of money.

spent <= bill <= spent + at_risk, and spent = sum of the table + retired.
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from operator import attrgetter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.errors import Again, Charge
from batchgen.ledger import (
    Charged,
    Ledger,
    directory_images,
    purchase_slices,
    result_slices,
)
from batchgen.ledger.outstanding import outstanding_after_retry
from batchgen.ledger.selection import retry_status
from batchgen.model import Basis, Link, ResultRow, State, Status, to_usd
from tests.ledger.books import (
    AT,
    CEILING,
    PRICE,
    STEPS,
    bad,
    buy_images,
    ended,
    entry,
    new_ledger,
    prompts,
    read,
    row_ids,
    send_part,
    start,
)

EVERY = 1 << 62
USD = to_usd(PRICE)


def table(ledger: Ledger) -> list[ResultRow]:
    return [row for rows, _ in result_slices(ledger, "images.zip") for row in rows]


@pytest.fixture
def row_id(ledger: Ledger) -> int:
    prompts(ledger, ["cup"], ids="a")
    return row_ids(ledger)[0]


def fail(
    ledger: Ledger,
    row_id: int,
    charge: Charge,
    cost: int | None,
    state: State = State.FAILED,
    *,
    counts: bool = True,
) -> int:
    attempt_id = send_part(ledger, row_id)
    ledger.mark_ended(attempt_id, ended(state, charge, cost, counts=counts))
    return attempt_id


# -- one row


def test_a_row_that_nobody_tried_cost_nothing_and_says_so(ledger: Ledger) -> None:
    prompts(ledger, ["cup"])

    (row,) = table(ledger)

    assert (row.row, row.id, row.status) == (0, "0", Status.PENDING)
    assert (row.cost_usd, row.cost_basis) == (Decimal(0), Basis.NONE)
    assert (row.at_risk_usd, row.at_risk_attempts, row.attempts) == (Decimal(0), 0, 0)
    assert (row.provider, row.model) == ("acme", "acme-1")
    assert row.estimated_usd == USD
    assert (row.started_at, row.finished_at, row.latency_s) == (None, None, None)


def test_the_newest_attempt_decides_for_a_row_that_has_no_image(
    ledger: Ledger, row_id: int
) -> None:
    for provider, sent_at in (("zenith", AT + 1), ("acme", AT)):
        attempt_id = ledger.mark_sent(
            replace(start(row_id), provider=provider, sent_at=sent_at)
        )
        ledger.mark_ended(attempt_id, ended(State.FAILED, Charge.NONE, 0))

    (row,) = table(ledger)

    assert row.provider == "acme"
    assert row.started_at is not None
    assert row.started_at.timestamp() * 1_000_000 == AT


def test_a_row_that_succeeded_says_what_when_and_for_how_much(
    ledger: Ledger, row_id: int
) -> None:
    buy_images(ledger, row_id)
    ledger.settle(row_id, Status.SUCCEEDED, None, None)

    (row,) = table(ledger)

    assert (row.id, row.status, row.prompt) == ("a", Status.SUCCEEDED, "cup")
    assert (row.cost_usd, row.cost_basis, row.attempts) == (USD, Basis.REPORTED, 1)
    assert (row.provider, row.resolution, row.aspect_ratio) == ("acme", "1K", "1:1")
    assert row.request_id == "r1"
    assert row.latency_s == 4.5
    assert row.started_at is not None
    assert row.finished_at is not None
    assert (row.finished_at - row.started_at).total_seconds() == 2
    assert row.started_at.timestamp() * 1_000_000 == AT
    (file,) = row.files
    assert (file.name, file.archive, file.image) == (
        f"row-{row_id}-1.png",
        "images.zip",
        1,
    )
    assert (file.width_px, file.size_bytes) == (1024, 123)
    assert file.sha256 == "01" * 32


@pytest.mark.parametrize(
    ("charges", "cost", "basis"),
    [
        pytest.param([(Charge.NONE, 0)], Decimal(0), Basis.NONE, id="nothing-bought"),
        pytest.param([(Charge.REPORTED, PRICE)], USD, Basis.REPORTED, id="reported"),
        pytest.param(
            [(Charge.REPORTED, PRICE), (Charge.PRICE_LIST, PRICE)],
            2 * USD,
            Basis.PRICE_LIST,
            id="weakest-counts",
        ),
        pytest.param(
            [(Charge.REPORTED, PRICE), (Charge.NONE, 0)],
            USD,
            Basis.REPORTED,
            id="a-free-failure-weakens-nothing",
        ),
        pytest.param(
            [(Charge.PRICE_LIST, None)], None, Basis.UNKNOWN, id="no-price-is-null"
        ),
        pytest.param(
            [(Charge.REPORTED, PRICE), (Charge.PRICE_LIST, None)],
            None,
            Basis.UNKNOWN,
            id="a-part-without-price-is-null",
        ),
        pytest.param(
            [(Charge.REPORTED, 1)], Decimal("1E-9"), Basis.REPORTED, id="nano"
        ),
        pytest.param([(Charge.REPORTED, 0)], Decimal(0), Basis.REPORTED, id="for-free"),
    ],
)
def test_cost_is_the_sum_of_all_attempts_at_its_weakest_basis(
    ledger: Ledger,
    row_id: int,
    charges: list[tuple[Charge, int | None]],
    cost: Decimal | None,
    basis: Basis,
) -> None:
    for charge, nano in charges:
        fail(ledger, row_id, charge, nano)

    (row,) = table(ledger)

    assert (row.cost_usd, row.cost_basis) == (cost, basis)
    assert row.attempts == len(charges)
    assert (row.at_risk_usd, row.at_risk_attempts) == (Decimal(0), 0)


@pytest.mark.parametrize("state", [State.SENT, State.ACCEPTED, State.UNKNOWN])
def test_what_has_no_known_outcome_is_at_risk_at_its_ceiling(
    ledger: Ledger, row_id: int, state: State
) -> None:
    attempt_id = send_part(ledger, row_id)
    if state is not State.SENT:
        STEPS[state](ledger, attempt_id)

    (row,) = table(ledger)

    assert (row.at_risk_usd, row.at_risk_attempts) == (to_usd(CEILING), 1)
    assert (row.cost_usd, row.cost_basis) == (None, Basis.UNKNOWN)
    assert row.attempts == 1


def test_the_cost_of_a_row_is_what_is_known_beside_what_is_at_risk(
    ledger: Ledger, row_id: int
) -> None:
    fail(ledger, row_id, Charge.REPORTED, PRICE)
    fail(ledger, row_id, Charge.UNKNOWN, None, State.UNKNOWN)

    (row,) = table(ledger)

    assert (row.cost_usd, row.cost_basis) == (USD, Basis.REPORTED)
    assert (row.at_risk_usd, row.at_risk_attempts) == (to_usd(CEILING), 1)


def test_a_risk_without_price_is_null_and_still_counted(
    ledger: Ledger, row_id: int
) -> None:
    fail(ledger, row_id, Charge.UNKNOWN, None, State.UNKNOWN)
    ledger.mark_sent(replace(start(row_id), expected=None, ceiling=None))

    (row,) = table(ledger)

    assert (row.at_risk_usd, row.at_risk_attempts) == (None, 2)
    totals = ledger.totals(EVERY)
    assert (totals.at_risk, totals.at_risk_attempts) == (CEILING, 2)
    assert totals.unpriced_risk == 1


def test_what_a_delivery_may_cost_beyond_its_floor_is_at_risk_everywhere(
    ledger: Ledger, row_id: int
) -> None:
    attempt_id = ledger.mark_sent(start(row_id))
    charged = Charged(Charge.PRICE_LIST, PRICE, 7)
    ledger.mark_delivered(attempt_id, (), charged, None, 1.0)
    fail(ledger, row_id, Charge.UNKNOWN, None, State.UNKNOWN)

    (row,) = table(ledger)

    assert (row.cost_usd, row.cost_basis) == (USD, Basis.PRICE_LIST)
    assert (row.at_risk_usd, row.at_risk_attempts) == (to_usd(CEILING + 7), 1)
    totals = ledger.totals(EVERY)
    assert (totals.spent, totals.at_risk) == (PRICE, CEILING + 7)
    assert totals.at_risk_attempts == 1
    assert ledger.money_by_day(0) == [(AT // 86_400_000_000, PRICE + CEILING + 7)]
    ledger.execute("row_regroup", ('{"brand": "x"}', row_id))
    assert ledger.money_by_group() == [('{"brand": "x"}', PRICE + CEILING + 7)]


def test_a_reported_cost_stands_beside_a_risk_of_the_same_row(
    ledger: Ledger, row_id: int
) -> None:
    fail(ledger, row_id, Charge.UNKNOWN, None, State.UNKNOWN)
    buy_images(ledger, row_id)

    (row,) = table(ledger)

    assert (row.cost_usd, row.cost_basis) == (USD, Basis.REPORTED)
    assert (row.at_risk_usd, row.at_risk_attempts) == (to_usd(CEILING), 1)
    assert row.attempts == 2


def test_an_attempt_that_was_surely_not_processed_is_no_purchase(
    ledger: Ledger, row_id: int
) -> None:
    fail(ledger, row_id, Charge.NONE, 0, State.REJECTED, counts=False)
    buy_images(ledger, row_id)

    (row,) = table(ledger)

    assert (row.attempts, row.cost_usd) == (1, USD)


def test_the_request_id_is_that_of_the_success_else_of_the_last_attempt(
    ledger: Ledger, row_id: int
) -> None:
    attempt_id = send_part(ledger, row_id)
    ledger.mark_accepted(attempt_id, "task-7", None, AT)
    assert table(ledger)[0].request_id == "task-7"

    buy_images(ledger, row_id)
    fail(ledger, row_id, Charge.NONE, 0)

    assert table(ledger)[0].request_id == "r2"


def test_an_image_that_was_bought_twice_stands_once_and_is_paid_twice(
    ledger: Ledger, row_id: int
) -> None:
    buy_images(ledger, row_id)
    buy_images(ledger, row_id)

    (row,) = table(ledger)

    assert [(file.image, file.sha256) for file in row.files] == [(1, "01" * 32)]
    assert (row.cost_usd, row.attempts) == (2 * USD, 2)
    (listed,) = directory_images(ledger)
    assert listed.sha256 == "01" * 32


def test_images_of_several_parts_stand_in_their_order(ledger: Ledger) -> None:
    read(ledger, [entry(0, n=3)])
    (row_id,) = row_ids(ledger)
    buy_images(ledger, row_id, numbers=[3])
    buy_images(ledger, row_id, numbers=[1, 2])

    (row,) = table(ledger)

    assert [file.image for file in row.files] == [1, 2, 3]
    assert ledger.stored_images(row_id) == {1, 2, 3}


def test_an_invalid_row_names_row_line_and_column(ledger: Ledger) -> None:
    wide = replace(entry(1, "lamp"), problem="no 8:1", at_column="ratio")
    read(ledger, [bad(0, "the prompt is empty"), wide])

    first, second = table(ledger)

    assert (first.status, first.error, first.prompt) == (
        Status.INVALID,
        "invalid",
        "a cup",
    )
    assert first.message == "row 0, line 2, the prompt is empty"
    assert second.message == "row 1, line 3, ratio: no 8:1"
    assert (first.cost_usd, first.at_risk_usd) == (Decimal(0), Decimal(0))


def test_a_warning_of_an_attempt_reaches_the_table(ledger: Ledger, row_id: int) -> None:
    attempt_id = send_part(ledger, row_id)
    ledger.mark_delivered(attempt_id, (), (Charge.REPORTED, 1), None, None)
    ledger.mark_stored(attempt_id, (), "image 1 is 10x10 px", AT)

    assert table(ledger)[0].warning == "image 1 is 10x10 px"


def test_a_delivery_with_a_warning_keeps_it_beside_the_one_of_its_size(
    ledger: Ledger, row_id: int
) -> None:
    attempt_id = send_part(ledger, row_id)
    ledger.warn(attempt_id, "a draft")
    ledger.mark_delivered(attempt_id, (), (Charge.REPORTED, 1), None, None)
    ledger.mark_stored(attempt_id, (), "image 1 is 10x10 px", AT)

    assert table(ledger)[0].warning == "a draft; image 1 is 10x10 px"


def test_a_delivery_with_a_warning_keeps_it_where_its_size_is_right(
    ledger: Ledger, row_id: int
) -> None:
    attempt_id = send_part(ledger, row_id)
    ledger.warn(attempt_id, "a draft")
    ledger.mark_delivered(attempt_id, (), (Charge.REPORTED, 1), None, None)
    ledger.mark_stored(attempt_id, (), None, AT)

    assert table(ledger)[0].warning == "a draft"


def test_the_table_has_each_row_once_in_manifest_order(ledger: Ledger) -> None:
    texts = ["y", "cup", "lamp", "cup", "vase", "cup", "x"]
    prompts(ledger, sorted(texts))
    prompts(ledger, texts)
    ids = row_ids(ledger)
    buy_images(ledger, ids[3])

    rows = table(ledger)

    assert [row.row for row in rows] == list(range(7))
    assert [row.prompt for row in rows] == texts
    assert [len(row.files) for row in rows] == [0, 0, 0, 1, 0, 0, 0]


def test_own_columns_come_with_exactly_their_rows(ledger: Ledger) -> None:
    prompts(ledger, [f"cup {number}" for number in range(7)])

    slices = [(len(rows), own) for rows, own in result_slices(ledger, "images.zip")]

    assert slices == [(3, b"ipc 0"), (3, b"ipc 3"), (1, b"ipc 6")]


# -- the whole folder


@dataclass(frozen=True)
class Lived:
    """One attempt as it went: what the ledger was told, and what it really cost."""

    row: int
    state: State
    charge: Charge
    cost: int | None
    billed: int


@st.composite
def lives(draw: st.DrawFn) -> Lived:
    """Draw an attempt; what the ledger cannot know may cost up to the ceiling."""
    row = draw(st.integers(0, 5))
    amount = draw(st.integers(0, CEILING))
    state = draw(st.sampled_from([*State]))
    match state:
        case State.REJECTED:
            return Lived(row, state, Charge.NONE, 0, 0)
        case State.FAILED:
            charge = draw(st.sampled_from(list(Charge)))
            fixed = {Charge.NONE: 0, Charge.UNKNOWN: None}
            cost = fixed.get(charge, amount)
            return Lived(row, state, charge, cost, amount if cost is None else cost)
        case State.DELIVERED | State.STORED:
            return Lived(row, state, Charge.REPORTED, amount, amount)
        case _:
            return Lived(row, state, Charge.UNKNOWN, None, amount)


def write_down(ledger: Ledger, row_id: int, lived: Lived) -> None:
    attempt_id = send_part(ledger, row_id)
    if lived.state in (State.ACCEPTED, State.OVERDUE):
        ledger.mark_accepted(attempt_id, "t", None, AT)
    if lived.state in (State.DELIVERED, State.STORED):
        charge = (lived.charge, lived.cost)
        ledger.mark_delivered(attempt_id, [(1, Link("https://x"))], charge, None, None)
    if lived.state is State.STORED:
        STEPS[State.STORED](ledger, attempt_id)
    if lived.state in (State.REJECTED, State.FAILED, State.UNKNOWN, State.OVERDUE):
        end = ended(lived.state, lived.charge, lived.cost, again=Again.NEVER)
        ledger.mark_ended(attempt_id, end)


@settings(max_examples=40, deadline=None)
@given(history=st.lists(lives(), max_size=25), kept=st.sets(st.integers(0, 5)))
def test_the_law_of_money_holds_for_every_history(
    history: list[Lived], kept: set[int]
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(new_ledger(Path(folder))) as ledger,
    ):
        prompts(ledger, "abcdef")
        ids = row_ids(ledger)
        with ledger.transaction():
            for lived in history:
                write_down(ledger, ids[lived.row], lived)
        prompts(ledger, [text for row, text in enumerate("abcdef") if row in kept])

        totals, rows = ledger.totals(EVERY), table(ledger)
        purchases = [row for part in purchase_slices(ledger) for row in part]

        bill = sum(life.billed for life in history)
        spent = totals.spent + totals.superseded
        assert spent <= bill <= spent + totals.at_risk
        assert sum(row.cost_usd or 0 for row in rows) == to_usd(totals.spent)
        superseded = sum(life.cost or 0 for life in history if life.row not in kept)
        assert totals.superseded == superseded
        for_retired = filter(attrgetter("retired"), purchases)
        assert sum(row.cost_usd or 0 for row in for_retired) == to_usd(superseded)
        assert sum(row.cost_usd or 0 for row in purchases) == to_usd(spent)
        assert sum(row.at_risk_usd or 0 for row in purchases) == to_usd(totals.at_risk)
        uncertain = [life for life in history if life.cost is None]
        assert totals.at_risk_attempts == len(uncertain)
        assert sum(row.at_risk_attempts for row in rows) == len(
            [life for life in uncertain if life.row in kept]
        )
        assert (totals.unpriced, totals.unpriced_risk) == (0, 0)


def test_what_cost_something_that_nobody_named_is_counted_apart(
    ledger: Ledger, row_id: int
) -> None:
    buy_images(ledger, row_id, cost=None, charge=Charge.PRICE_LIST)

    totals = ledger.totals(EVERY)

    assert (totals.spent, totals.unpriced, totals.at_risk) == (0, 1, 0)
    assert (totals.images, totals.rows) == (1, {Status.PENDING: 1})


def test_rows_behind_the_limit_do_not_count_but_their_money_does(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup", "lamp", "vase"])
    for row_id in row_ids(ledger):
        buy_images(ledger, row_id)

    totals = ledger.totals(2)

    assert totals.rows == {Status.PENDING: 2}
    assert totals.spent == 3 * PRICE


# -- retry


def retry(ledger: Ledger, status: Status) -> int:
    """Mark as the command does; returns how many rows were marked."""
    return retry_status(ledger, status)


def test_retry_marks_rows_of_one_status_and_starts_their_count_anew(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup", "lamp", "vase"], ids="abc")
    first, second, third = row_ids(ledger)
    attempt_id = fail(ledger, second, Charge.REPORTED, PRICE)
    ledger.settle(first, Status.SUCCEEDED, None, None)
    ledger.settle(second, Status.FAILED, "no_image", "words")
    ledger.settle(third, Status.REFUSED, "refused", "words")

    assert retry(ledger, Status.FAILED) == 1

    row = ledger.row(second)
    assert (row.status, row.error, row.tries_from) == (
        Status.PENDING,
        None,
        attempt_id,
    )
    assert ledger.row(third).status is Status.REFUSED
    assert table(ledger)[1].cost_usd == USD
    rest = outstanding_after_retry(ledger)
    assert (rest.rows, rest.estimate) == (1, PRICE)


def test_retry_leaves_rows_alone_that_the_manifest_lost(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"])
    lost = row_ids(ledger)[1]
    ledger.settle(lost, Status.FAILED, "no_image", "words")
    prompts(ledger, ["cup"])

    assert retry(ledger, Status.FAILED) == 0
    assert ledger.row(lost).status is Status.FAILED
