"""A row stays the same row wherever it stands, and buys nothing twice for that."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.errors import Charge
from batchgen.ledger import Ledger, PlanEntry, PlanWriter, Reader, directory_images
from batchgen.ledger.edits import rows_to_rebuy
from batchgen.ledger.estimate import Estimate
from batchgen.ledger.plan_findings import problems
from batchgen.ledger.request_json import load_request
from batchgen.manifest import key_of
from batchgen.model import State, Status
from batchgen.output.member_names import folded_base_names, member_name
from tests.ledger.books import (
    AT,
    PRICE,
    STEPS,
    bad,
    buy_images,
    ended,
    entry,
    new_ledger,
    planned,
    prompts,
    read,
    rename,
    row_ids,
    send_part,
)

EVERY = 1 << 62


def buy_all(ledger: Ledger) -> None:
    """Buy whatever waits, and let it succeed."""
    for waiting in ledger.waiting("acme", -1, EVERY, EVERY):
        buy_images(ledger, waiting.row.row_id)
        ledger.settle(waiting.row.row_id, Status.SUCCEEDED, None, None)


def waiting(ledger: Ledger) -> list[int]:
    """Return the positions that are still to be bought."""
    return [row.position for row in ledger.waiting("acme", -1, EVERY, EVERY)]


def to_rebuy(ledger: Ledger) -> Estimate:
    return rows_to_rebuy(ledger, EVERY, ledger.generation)


# -- what is bought again


def test_the_same_manifest_read_again_buys_nothing(ledger: Ledger) -> None:
    prompts(ledger, ["a cup", "a lamp"])
    buy_all(ledger)
    before = row_ids(ledger)

    prompts(ledger, ["a cup", "a lamp"])

    assert row_ids(ledger) == before
    assert waiting(ledger) == []


def test_a_row_with_an_id_is_known_by_it_wherever_it_stands(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp", "vase"], ids="abc")
    buy_all(ledger)

    prompts(ledger, ["vase", "new", "cup"], ids="cxa")

    assert waiting(ledger) == [1]
    assert to_rebuy(ledger).rows == 0


def test_an_edited_row_is_another_version_and_asks_for_rebuy(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"], ids="ab")
    buy_all(ledger)

    prompts(ledger, ["cup", "a red lamp"], ids="ab")

    assert waiting(ledger) == [1]
    assert to_rebuy(ledger) == Estimate(rows=1, estimate=PRICE, unpriced=0, removed=0)


def test_a_version_that_comes_back_is_known_and_costs_nothing(ledger: Ledger) -> None:
    prompts(ledger, ["cup"], ids="a")
    buy_all(ledger)
    prompts(ledger, ["a red cup"], ids="a")
    buy_all(ledger)

    prompts(ledger, ["cup"], ids="a")

    assert waiting(ledger) == []
    assert to_rebuy(ledger).rows == 0
    assert ledger.totals(EVERY).rows == {Status.SUCCEEDED: 1}


def test_a_row_that_was_dropped_and_comes_back_is_not_bought_again(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup", "lamp"])
    buy_all(ledger)
    prompts(ledger, ["cup"])

    prompts(ledger, ["lamp", "cup"])

    assert waiting(ledger) == []
    assert ledger.totals(EVERY).superseded == 0


@pytest.mark.parametrize(
    ("state", "charge", "cost", "asks"),
    [
        pytest.param(State.REJECTED, Charge.NONE, 0, 0, id="never-processed"),
        pytest.param(State.FAILED, Charge.NONE, 0, 0, id="failed-for-free"),
        pytest.param(State.FAILED, Charge.REPORTED, 7, 1, id="failed-and-charged"),
        pytest.param(State.FAILED, Charge.PRICE_LIST, None, 1, id="charged-unpriced"),
        pytest.param(State.UNKNOWN, Charge.UNKNOWN, None, 1, id="outcome-unknown"),
        pytest.param(State.ACCEPTED, Charge.NONE, 0, 1, id="a-task-is-under-way"),
    ],
)
def test_rebuy_is_asked_for_where_the_old_version_may_have_cost_something(
    ledger: Ledger, state: State, charge: Charge, cost: int | None, asks: int
) -> None:
    prompts(ledger, ["cup"], ids="a")
    attempt_id = send_part(ledger, row_ids(ledger)[0])
    if state is State.ACCEPTED:
        STEPS[state](ledger, attempt_id)
    else:
        ledger.mark_ended(attempt_id, ended(state, charge, cost))

    prompts(ledger, ["a red cup"], ids="a")

    assert to_rebuy(ledger).rows == asks


def test_rebuy_is_asked_for_until_it_is_agreed_to(ledger: Ledger) -> None:
    prompts(ledger, ["cup"], ids="a")
    buy_all(ledger)

    for _ in range(3):
        prompts(ledger, ["a red cup"], ids="a")
        assert to_rebuy(ledger).rows == 1


def test_rebuy_is_agreed_to_once(ledger: Ledger) -> None:
    prompts(ledger, ["cup"], ids="a")
    buy_all(ledger)
    prompts(ledger, ["a red cup"], ids="a")
    attempt_id = send_part(ledger, row_ids(ledger)[0])
    ledger.mark_ended(attempt_id, ended(State.UNKNOWN, Charge.UNKNOWN, None))

    prompts(ledger, ["a red cup"], ids="a")

    assert waiting(ledger) == [0]
    assert to_rebuy(ledger).rows == 0


def test_without_ids_a_row_where_a_paid_one_stood_is_that_row_changed(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup", "lamp"])
    buy_all(ledger)

    prompts(ledger, ["a red cup", "lamp", "new"])

    assert waiting(ledger) == [0, 2]
    assert to_rebuy(ledger).rows == 1
    assert ledger.totals(EVERY).superseded == PRICE


WORDS = st.lists(st.sampled_from(["cup", "lamp", "vase"]), max_size=12)


@settings(max_examples=25, deadline=None)
@given(first=WORDS, second=WORDS)
def test_without_ids_exactly_the_surplus_of_equal_rows_is_bought(
    first: list[str], second: list[str]
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(new_ledger(Path(folder))) as ledger,
    ):
        prompts(ledger, first)
        buy_all(ledger)

        prompts(ledger, second)

        new = Counter(second[position] for position in waiting(ledger))
        assert new == Counter(second) - Counter(first)
        gone = Counter(first) - Counter(second)
        assert to_rebuy(ledger).rows <= gone.total()
        superseded = Counter(first) - Counter(second)
        assert ledger.totals(EVERY).superseded == PRICE * superseded.total()
        assert len(set(row_ids(ledger))) == len(second)


@settings(max_examples=25, deadline=None)
@given(
    first=st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["cup", "lamp"])),
    second=st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["cup", "lamp"])),
    order=st.randoms(use_true_random=False),
)
def test_with_ids_exactly_what_was_never_bought_is_bought_and_edits_ask(
    first: dict[str, str], second: dict[str, str], order: object
) -> None:
    rows = list(second.items())
    order.shuffle(rows)  # type: ignore[attr-defined]  # hypothesis' own Random
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(new_ledger(Path(folder))) as ledger,
    ):
        prompts(ledger, first.values(), ids=first)
        buy_all(ledger)
        paid = dict(zip(first, row_ids(ledger), strict=True))

        prompts(ledger, [text for _, text in rows], ids=[name for name, _ in rows])

        to_buy = {rows[position][0] for position in waiting(ledger)}
        gone = [text for name, text in first.items() if second.get(name) != text]
        fresh = [text for name, text in rows if first.get(name) != text]
        assert Counter(second[name] for name in to_buy) == Counter(fresh) - Counter(
            gone
        )
        asks = len(to_buy & set(first))
        if 2 * len(set(first) & set(second)) < len(first):
            left = {
                name
                for name in set(first) - set(second)
                if paid[name] not in row_ids(ledger)
            }
            asks += min(len(left), len(to_buy - set(first)))
        assert to_rebuy(ledger).rows == asks
        assert len(set(row_ids(ledger))) == len(second)


# -- rows that cannot run


def test_a_repeated_id_makes_the_later_row_invalid_and_no_other(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup", "lamp", "vase"], ids=["a", "b", "a"])

    assert waiting(ledger) == [0, 1]
    (problem,) = problems(ledger, 10)
    assert (problem.position, problem.line, problem.column) == (2, 4, "id")
    assert "repeats the id" in problem.message


def test_the_id_of_an_invalid_row_is_taken_all_the_same(ledger: Ledger) -> None:
    read(ledger, [bad(0, "no prompt", id="a"), entry(1, id="a")])

    assert waiting(ledger) == []
    assert [problem.message for problem in problems(ledger, 9)] == [
        "no prompt",
        "repeats the id of an earlier row; ids must differ",
    ]


def test_an_invalid_row_costs_nothing_and_keeps_its_prompt(ledger: Ledger) -> None:
    wide = replace(entry(0, "cup"), problem="no 8:1", at_column="aspect_ratio")

    read(ledger, [wide])

    (row,) = planned(ledger)
    request = load_request(str(row["plan_request"]))
    assert (row["row_id"], request.prompt) == (None, "cup")
    assert ledger.totals(EVERY).rows == {Status.INVALID: 1}


def test_a_row_that_is_bought_stays_bought_whatever_its_provider_can_do(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup"])
    buy_all(ledger)

    read(ledger, [replace(entry(0, "cup"), problem="no 8:1", provider=None)])

    assert ledger.totals(EVERY).rows == {Status.SUCCEEDED: 1}


def test_a_row_that_is_not_bought_yet_waits_until_somebody_can_do_it(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup"])

    read(ledger, [replace(entry(0, "cup"), problem="no 8:1", provider=None)])
    assert waiting(ledger) == []
    assert ledger.totals(EVERY).rows == {Status.INVALID: 1}

    prompts(ledger, ["cup"])
    assert waiting(ledger) == [0]


# -- names in the archive


def names_of(ledger: Ledger) -> list[str]:
    return [str(row["stem"]) for row in planned(ledger)]


def test_names_are_unique_whatever_stems_are_wanted(ledger: Ledger) -> None:
    names_asked = ["Tasse", "tasse", "TASSE", "tasse~0", "tassé", "tasse\u0301"]

    read(
        ledger,
        [
            replace(entry(position, f"p{position}"), base_name=base_name)
            for position, base_name in enumerate(names_asked)
        ],
    )

    names = names_of(ledger)
    assert names[0] == "Tasse"
    assert names[4] == "tassé"
    folded = [folded_base_names(name, 1)[0] for name in names]
    assert len(set(folded)) == len(folded)
    assert names[1].startswith("tasse~")
    assert len(names[1]) == len("tasse~") + 8


def test_the_numbers_of_a_rows_images_are_claimed_with_its_stem(
    ledger: Ledger,
) -> None:
    read(
        ledger,
        [
            replace(entry(0, "cup", n=2), base_name="cup"),
            replace(entry(1, "other"), base_name="cup-2"),
            replace(entry(2, "third"), base_name="cup"),
        ],
    )

    first, second, third = names_of(ledger)
    assert (first, third) == ("cup", "cup")
    assert second.startswith("cup-2~")


def test_versions_of_one_row_share_their_name(ledger: Ledger) -> None:
    prompts(ledger, ["cup"], ids="a")
    prompts(ledger, ["a red cup"], ids="a")

    assert names_of(ledger) == ["a"]


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["a", "A", "a-1", "a-2", "b", "ß", "ss"]),
            st.integers(1, 3),
        ),
        max_size=10,
    ),
    reading=st.integers(1, 9),
)
def test_no_two_images_of_a_plan_ever_have_one_name(
    rows: list[tuple[str, int]], reading: int
) -> None:
    def entries(part: Iterable[tuple[str, int]], shift: int) -> list[PlanEntry]:
        return [
            replace(entry(position, f"{position + shift}", n=n), base_name=base_name)
            for position, (base_name, n) in enumerate(part)
        ]

    with (
        tempfile.TemporaryDirectory() as folder,
        closing(new_ledger(Path(folder))) as ledger,
    ):
        read(ledger, entries(rows[:reading], 0))
        read(ledger, entries(rows, 3))

        names = [
            member_name(folded_base_names(str(row["stem"]), 1)[0], image, n, "png")
            for row in planned(ledger)
            if isinstance(n := row["n"], int)
            for image in range(1, n + 1)
        ]
        assert len(set(names)) == len(names)


# -- readings


def test_the_first_reading_counts_from_its_first_slice_on(ledger: Ledger) -> None:
    with closing(PlanWriter(ledger, key_of, folded_base_names)) as plan:
        plan.begin(b"schema")
        plan.add([entry(0, "cup")], b"ipc", 0)

    assert waiting(ledger) == [0]
    assert ledger.meta.plan_digest is None


def test_a_later_reading_counts_only_when_it_is_complete(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"])
    before = row_ids(ledger)
    with closing(PlanWriter(ledger, key_of, folded_base_names)) as plan:
        plan.add([entry(0, "vase")], b"ipc", 0)

    assert row_ids(ledger) == before
    assert ledger.meta.plan_digest == "d"

    plan.complete("e", b"schema", 1)

    assert [row["request"] for row in planned(ledger)] == ['{"prompt":"vase"}']
    assert ledger.meta.plan_digest == "e"
    assert ledger.execute("plan_last_generation").fetchone()[0] == ledger.generation
    assert ledger.execute("planned_count", (ledger.generation,)).fetchone()[0] == 1


def test_a_reading_that_was_broken_off_leaves_no_trace_in_the_next(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup"])
    with closing(PlanWriter(ledger, key_of, folded_base_names)) as broken:
        broken.add([entry(0, "cup"), entry(1, "cup")], b"ipc", 0)

    prompts(ledger, ["cup", "cup"])

    assert waiting(ledger) == [0, 1]
    assert len(set(row_ids(ledger))) == 2
    slices = ledger.execute("result_slices", (ledger.generation,)).fetchall()
    assert [(row["first"], row["ipc"]) for row in slices] == [(0, b"ipc 0")]
    generations = ledger._connection.execute("SELECT DISTINCT generation FROM plan")
    assert [row[0] for row in generations] == [ledger.generation]


def test_the_directory_lists_each_image_once_and_only_of_planned_rows(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup", "lamp"], ids="ab")
    buy_all(ledger)
    first, second = row_ids(ledger)
    buy_images(ledger, second)  # an unknown outcome that came after all: bought twice
    prompts(ledger, ["lamp"], ids="b")

    listed = list(directory_images(ledger))

    assert [(image.position, image.id, image.sha256) for image in listed] == [
        (0, "b", "02" * 32)
    ]
    assert first not in row_ids(ledger)
    assert (listed[0].ended_at or 0) > AT


def test_the_thousandth_row_that_asks_for_the_same_is_no_dearer_to_plan(
    ledger: Ledger,
) -> None:
    rows = [entry(number, "a cup", id=f"r{number}") for number in range(1200)]
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    with closing(PlanWriter(ledger, key_of, folded_base_names, dedupe=True)) as plan:
        ledger._connection.set_progress_handler(count, 100)
        plan.add(rows[:400], b"", 0)
        first, steps = steps, 0
        plan.add(rows[400:800], b"", 400)
        plan.add(rows[800:], b"", 800)

    assert first > 0
    assert steps < 3 * first


def test_images_of_an_edited_row_are_taken_over_with_their_name(
    ledger: Ledger,
) -> None:
    read(ledger, [entry(0, "cup", id="a")], dedupe=True)
    buy_all(ledger)
    [old] = row_ids(ledger)

    rows = [("a", "lamp"), ("b", "cup"), ("c", "cup")]
    read(
        ledger,
        [entry(number, rows[number][1], id=rows[number][0]) for number in range(3)],
        dedupe=True,
    )
    rename(ledger)

    edited, heir, other = planned(ledger)
    assert (heir["row_id"], heir["stem"], heir["shares"]) == (old, "a", None)
    assert str(edited["stem"]).startswith("a~")
    assert other["shares"] == heir["row_id"]
    read(ledger, [entry(0, "cup", id="c")], dedupe=True)
    assert [row["shares"] for row in planned(ledger)] == [old]


def test_a_row_whose_images_others_have_gets_new_names_when_it_is_edited(
    ledger: Ledger,
) -> None:
    read(ledger, [entry(0, "cup", id="a"), entry(1, "cup", id="b")], dedupe=True)
    buy_all(ledger)
    old = row_ids(ledger)[0]

    read(ledger, [entry(0, "lamp", id="a"), entry(1, "cup", id="b")], dedupe=True)

    edited, sharing = planned(ledger)
    assert sharing["shares"] == old
    assert str(edited["stem"]).startswith("a~")


def test_a_name_that_a_row_just_above_took_over_is_not_given_to_an_edited_one(
    ledger: Ledger,
) -> None:
    read(ledger, [entry(0, "cup", id="a")], dedupe=True)
    buy_all(ledger)
    [old] = row_ids(ledger)
    reader = Reader(ledger.path)  # as the planner has one, which sees commits alone

    with ledger.transaction():
        plan = PlanWriter(ledger, key_of, folded_base_names, dedupe=True, reader=reader)
        plan.add([entry(0, "cup", id="b"), entry(1, "lamp", id="a")], b"", 0)
        plan.end()
        plan.complete("later", b"", 2)
    reader.close()

    heir, edited = planned(ledger)
    assert heir["row_id"] == old
    assert str(edited["stem"]).startswith("a~")


@pytest.mark.parametrize("made_by", [None, "acme", "other"])
def test_a_row_for_one_provider_shares_nothing_that_another_may_make(
    ledger: Ledger, made_by: str | None
) -> None:
    free = replace(entry(0, "cup", id="a"), route="[]")
    alone = entry(1, "cup", id="b")
    read(ledger, [free], dedupe=True)
    [source] = row_ids(ledger)
    if made_by is not None:
        buy_images(ledger, source, provider=made_by)
        ledger.settle(source, Status.SUCCEEDED, None, None)

    read(ledger, [free, alone], dedupe=True)

    shares = source if made_by == "acme" else None
    assert [row["shares"] for row in planned(ledger)] == [None, shares]
