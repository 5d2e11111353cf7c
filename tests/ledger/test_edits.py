"""An edited manifest finds again what was paid for, before anything is bought twice."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.errors import Charge
from batchgen.ledger import Ledger, PlanWriter
from batchgen.ledger.edits import (
    OUTDATED,
    first_rows_to_rebuy,
    has_kept,
    keep,
    nearest_pairs,
)
from batchgen.manifest import key_of
from batchgen.model import State, Status
from batchgen.output.member_names import folded_base_names
from tests.ledger.books import (
    PRICE,
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


def waiting(ledger: Ledger) -> list[int]:
    """Return the positions that are still to be bought."""
    rows = ledger.waiting("acme", -1, EVERY, EVERY)
    return [row.position for row in rows]


def asking(ledger: Ledger) -> list[int]:
    """Return the positions that are to be bought only with consent."""
    rows = first_rows_to_rebuy(ledger, EVERY, ledger.generation, EVERY)
    return [row.position for row in rows]


def buy(ledger: Ledger, positions: Iterable[int]) -> None:
    chosen = set(positions)
    for row in ledger.waiting("acme", -1, EVERY, EVERY):
        if row.position in chosen:
            buy_images(ledger, row.row.row_id)
            ledger.settle(row.row.row_id, Status.SUCCEEDED, None, None)


def buy_all(ledger: Ledger) -> None:
    buy(ledger, waiting(ledger))


def propose(
    ledger: Ledger,
    texts: Sequence[str],
    ids: Sequence[str],
    *,
    rebuy: bool = False,
    dedupe: bool = False,
) -> PlanWriter:
    """Read a manifest that does not count yet."""
    with closing(PlanWriter(ledger, key_of, folded_base_names, dedupe=dedupe)) as plan:
        rows = [
            entry(number, text, id=ids[number] if ids else None)
            for number, text in enumerate(texts)
        ]
        plan.add(rows, b"", 0)
        plan.end(rebuy=rebuy)
    return plan


def kept(
    ledger: Ledger,
    texts: Sequence[str],
    ids: Sequence[str] = (),
    *,
    dedupe: bool = False,
) -> None:
    """Read a manifest with `--keep`."""
    with ledger.transaction():
        plan = propose(ledger, texts, ids, dedupe=dedupe)
        keep(ledger, plan.generation, EVERY)
        plan.complete("kept", b"", len(texts))


THREE = ("a red cup", "a blue mug", "a green pot")


def test_rewritten_ids_take_over_what_was_bought_with_its_names(
    ledger: Ledger,
) -> None:
    prompts(ledger, THREE, ids=["0017", "90.750", "6932169358293"])
    buy_all(ledger)
    before = row_ids(ledger)

    prompts(ledger, THREE, ids=["17", "90.75", "6.93217E+12"])

    assert row_ids(ledger) == before
    assert waiting(ledger) == asking(ledger) == []
    assert [row["stem"] for row in planned(ledger)] == [
        "0017",
        "90.750",
        "6932169358293",
    ]
    assert ledger.totals(EVERY).superseded == 0
    # From now on it is this key's: an edit of the row asks.
    prompts(ledger, ("a red cup", "another", THREE[2]), ids=["17", "90.75", "x"])
    assert asking(ledger) == [1]
    assert row_ids(ledger)[::2] == before[::2]


@pytest.mark.parametrize(
    "before_and_after", [(None, "abcd"), ("abcd", None)], ids=["added", "dropped"]
)
def test_an_id_column_that_is_added_or_dropped_changes_nothing(
    ledger: Ledger, before_and_after: tuple[str | None, str | None]
) -> None:
    texts = [*THREE, THREE[0]]
    ids_before, ids_after = before_and_after
    prompts(ledger, texts, ids_before)
    buy_all(ledger)
    before = row_ids(ledger)

    prompts(ledger, texts, ids_after)

    assert row_ids(ledger) == before
    assert waiting(ledger) == []


def test_of_equal_rows_the_nearest_is_taken_over(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp", "cup", "cup"], ids="abcd")
    buy_all(ledger)
    first, lamp, second, third = row_ids(ledger)

    prompts(ledger, ["lamp", "cup", "cup"], ids=["b", "x", "y"])

    assert row_ids(ledger) == [lamp, first, second]
    assert third not in row_ids(ledger)
    assert waiting(ledger) == []
    assert ledger.totals(EVERY).superseded == PRICE


def test_a_row_that_is_gone_for_long_is_found_again_under_a_new_id(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup", "lamp"], ids="ab")
    buy_all(ledger)
    cup = row_ids(ledger)[0]
    prompts(ledger, ["lamp"], ids="b")
    prompts(ledger, ["lamp"], ids="b")

    prompts(ledger, ["lamp", "cup"], ids="bc")

    assert row_ids(ledger)[1] == cup
    assert waiting(ledger) == []


def test_a_table_that_was_empty_meanwhile_is_found_again(ledger: Ledger) -> None:
    prompts(ledger, ["cup"], ids="a")
    buy_all(ledger)
    prompts(ledger, [])
    prompts(ledger, [])

    prompts(ledger, ["cup"])

    assert waiting(ledger) == []


def test_exchanged_prompts_take_over_each_others_images(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"], ids="ab")
    buy_all(ledger)
    cup, lamp = row_ids(ledger)

    prompts(ledger, ["lamp", "cup"], ids="ab")

    assert row_ids(ledger) == [lamp, cup]
    assert waiting(ledger) == []


def test_no_more_is_taken_over_than_was_paid_for(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"], ids="ab")
    buy_all(ledger)

    prompts(ledger, ["lamp", "cup", "cup"], ids="bxy")

    assert waiting(ledger) == [2]
    assert asking(ledger) == []


def test_what_was_not_paid_for_is_bought_like_a_new_row(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"], ids="ab")
    attempt_id = send_part(ledger, row_ids(ledger)[0])
    ledger.mark_ended(attempt_id, ended(State.FAILED, Charge.NONE, 0))
    buy(ledger, [1])

    prompts(ledger, ["cup", "lamp"], ids="xy")

    assert waiting(ledger) == [0]
    assert asking(ledger) == []


@pytest.mark.parametrize("state", [State.ACCEPTED, State.UNKNOWN])
def test_what_may_have_been_paid_for_is_taken_over_as_it_stands(
    ledger: Ledger, state: State
) -> None:
    prompts(ledger, ["cup"], ids="a")
    [row_id] = row_ids(ledger)
    attempt_id = send_part(ledger, row_id)
    if state is State.ACCEPTED:
        ledger.mark_accepted(attempt_id, "t", "t", 1)
    else:
        ledger.mark_ended(attempt_id, ended(state, Charge.UNKNOWN, None))

    prompts(ledger, ["cup"], ids="x")

    assert row_ids(ledger) == [row_id]


def test_a_bought_row_is_taken_over_also_where_nobody_could_make_it_now(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup", "lamp"], ids="ab")
    buy_all(ledger)
    before = row_ids(ledger)

    read(
        ledger,
        [
            replace(entry(0, "cup", id="x"), problem="no 8:1", provider=None),
            replace(entry(1, "lamp", id="y"), problem="no 8:1", provider=None),
        ],
    )

    assert row_ids(ledger) == before
    assert ledger.totals(EVERY).rows == {Status.SUCCEEDED: 2}
    prompts(ledger, ["cup", "another lamp"], ids="xy")
    assert asking(ledger) == [1]


def test_a_reading_that_was_refused_takes_nothing_over(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"], ids="ab")
    buy_all(ledger)
    before = planned(ledger)

    with ledger.transaction():
        propose(ledger, ["cup", "a red lamp"], ids=["x", "b"])

    assert planned(ledger) == before
    prompts(ledger, ["cup", "lamp"], ids="ab")
    assert waiting(ledger) == []
    assert row_ids(ledger) == [row["row_id"] for row in before]


def test_a_refused_reading_does_not_keep_the_next_from_taking_over(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup", "lamp"], ids="ab")
    buy_all(ledger)
    cup = row_ids(ledger)[0]
    with ledger.transaction():
        propose(ledger, ["cup", "a red lamp"], ids=["x", "b"])

    prompts(ledger, ["cup", "lamp"], ids=["x", "b"])

    assert row_ids(ledger)[0] == cup
    assert waiting(ledger) == []


# -- names in the archive


def test_a_row_with_the_former_id_gets_another_name(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"], ids=["0017", "b"])
    buy_all(ledger)

    prompts(ledger, ["cup", "new", "lamp"], ids=["17", "0017", "b"])
    rename(ledger)

    names = [str(row["stem"]) for row in planned(ledger)]
    assert names[0] == "0017"
    assert names[1].startswith("0017~")
    assert waiting(ledger) == [1]


def test_a_version_whose_name_another_has_is_taken_over_under_a_name_of_its_own(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup", "lamp"], ids="ab")
    buy_all(ledger)
    prompts(ledger, ["a red cup", "lamp"], ids="ab")
    buy_all(ledger)

    prompts(ledger, ["a red cup", "lamp", "cup"], ids="abc")
    before = [str(row["stem"]) for row in planned(ledger)]
    rename(ledger)

    assert waiting(ledger) == asking(ledger) == []
    assert before == ["a", "b", "a"]
    assert len({str(row["stem"]) for row in planned(ledger)}) == 3


def test_no_two_of_many_versions_get_one_name(ledger: Ledger) -> None:
    for text in ("cup", "mug", "pot"):
        prompts(ledger, [text], ids="a")
        buy_all(ledger)

    prompts(ledger, ["cup", "mug", "pot"], ids="xyz")
    rename(ledger)

    assert waiting(ledger) == []
    assert len({str(row["stem"]) for row in planned(ledger)}) == 3


# -- what was changed


def test_without_ids_one_character_in_the_template_asks_for_all_rows(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["Foto von Tasse", "Foto von Becher", "Foto von Kanne"])
    buy_all(ledger)

    prompts(ledger, ["Foto von Tasse.", "Foto von Becher.", "Foto von Kanne.", "neu"])

    assert waiting(ledger) == [0, 1, 2, 3]
    assert asking(ledger) == [0, 1, 2]


def test_without_ids_a_row_between_others_is_new(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"])
    buy_all(ledger)

    prompts(ledger, ["new", "cup", "lamp"])

    assert waiting(ledger) == [0]
    assert asking(ledger) == []


def test_a_changed_row_asks_until_it_is_bought_also_after_more_edits(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup", "lamp"])
    buy_all(ledger)
    prompts(ledger, ["a red cup", "a red lamp"])

    prompts(ledger, ["a red cup", "a red lamp", "new"])

    assert asking(ledger) == [0, 1]
    buy(ledger, [0])
    prompts(ledger, ["a red cup", "a red lamp"])
    assert asking(ledger) == [1]


def test_with_other_ids_and_prompts_as_many_rows_ask_as_are_gone(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup", "lamp", "pot", "mug"], ids="abcd")
    buy_all(ledger)

    texts = ["cup.", "lamp.", "pot.", "mug", "new", "newer"]
    prompts(ledger, texts, ids=["1", "2", "3", "4", "5", "6"])

    assert waiting(ledger) == [0, 1, 2, 4, 5]  # the mug was taken over
    assert asking(ledger) == [0, 1, 2]


def test_where_half_of_the_ids_stay_new_rows_are_new(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"], ids="ab")
    buy_all(ledger)

    prompts(ledger, ["cup", "new", "newer"], ids="axy")

    assert waiting(ledger) == [1, 2]
    assert asking(ledger) == []


def test_an_id_that_stays_counts_though_another_row_took_over_its_image(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup", "cup", "cup"], ids="bea")
    buy_all(ledger)

    prompts(ledger, ["cup", "lamp", "cup", "lamp"], ids="bcda")

    assert waiting(ledger) == [1, 3]
    assert asking(ledger) == [3]


def test_an_id_column_and_another_template_at_once_ask(ledger: Ledger) -> None:
    prompts(ledger, THREE)
    buy_all(ledger)

    prompts(ledger, [f"{text}." for text in THREE], ids="abc")

    assert asking(ledger) == [0, 1, 2]


def test_a_dropped_id_column_and_another_template_at_once_ask(ledger: Ledger) -> None:
    prompts(ledger, THREE, ids="abc")
    buy_all(ledger)

    prompts(ledger, [f"{text}." for text in THREE])

    assert asking(ledger) == [0, 1, 2]


def test_a_former_id_that_comes_back_with_another_prompt_asks(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"], ids="ab")
    buy_all(ledger)
    prompts(ledger, ["lamp"], ids="b")

    prompts(ledger, ["a red cup", "lamp"], ids="ab")

    assert asking(ledger) == [0]


def test_an_id_of_before_a_take_over_asks_when_it_comes_back_changed(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup", "lamp", "pot"], ids=["0017", "b", "c"])
    buy_all(ledger)
    prompts(ledger, ["cup", "lamp", "pot"], ids=["17", "b", "c"])

    prompts(ledger, ["a red cup", "lamp", "pot"], ids=["0017", "b", "c"])

    assert asking(ledger) == [0]


def test_rows_that_cannot_run_take_nobodys_place(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"])
    buy_all(ledger)

    read(ledger, [bad(0, "the prompt is empty"), entry(1, "a red lamp")])

    assert waiting(ledger) == asking(ledger) == [1]


# -- what is kept


def test_changed_rows_can_keep_what_was_paid_for(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"])
    buy_all(ledger)
    before = row_ids(ledger)

    kept(ledger, ["a red cup", "lamp", "new"])

    assert row_ids(ledger)[:2] == before
    assert waiting(ledger) == [2]
    assert asking(ledger) == []
    assert [row["warning"] for row in planned(ledger)] == [OUTDATED, None, None]
    assert ledger.totals(EVERY).superseded == 0
    assert has_kept(ledger)


def test_what_was_kept_is_kept_when_the_manifest_is_read_again(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"], ids="ab")
    buy_all(ledger)
    before = row_ids(ledger)
    kept(ledger, ["a red cup", "lamp"], ids="ab")

    prompts(ledger, ["a red cup", "a red lamp"], ids="ab")

    assert row_ids(ledger)[0] == before[0]
    assert asking(ledger) == [1]


@pytest.mark.parametrize("ids", ["abc", ""], ids=["ids", "no-ids"])
def test_what_shares_with_a_row_that_kept_its_image_is_bought(
    ledger: Ledger, ids: str
) -> None:
    prompts(ledger, ["cup"], ids[:1] or None)
    buy_all(ledger)
    before = row_ids(ledger)

    kept(ledger, ["mug", "mug", "mug"], ids, dedupe=True)

    first, heir, other = planned(ledger)
    assert first["row_id"] == before[0]
    assert heir["shares"] is None
    assert other["shares"] == heir["row_id"]
    assert waiting(ledger) == [1]


def test_what_kept_its_image_shares_none_when_the_manifest_is_read_again(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup", "mug"], ids="ab")
    buy_all(ledger)
    before = row_ids(ledger)
    kept(ledger, ["mug", "mug"], ids="ab", dedupe=True)

    rows = [entry(0, "mug", id="a"), entry(1, "mug", id="b"), entry(2, "pot", id="c")]
    read(ledger, rows, dedupe=True)

    assert row_ids(ledger)[:2] == before
    assert [row["shares"] for row in planned(ledger)] == [None] * 3


def test_what_was_kept_is_bought_anew_by_a_later_rebuy(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"])
    buy_all(ledger)
    before = row_ids(ledger)
    kept(ledger, ["a red cup", "lamp"])

    with ledger.transaction():
        plan = propose(ledger, ["a red cup", "lamp"], ids=[], rebuy=True)
        plan.complete("bought", b"", 2)

    assert waiting(ledger) == [0]
    assert row_ids(ledger)[1] == before[1]
    assert not has_kept(ledger)


def test_an_edit_of_what_was_kept_is_an_edit(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"])
    buy_all(ledger)
    kept(ledger, ["a red cup", "lamp"])

    prompts(ledger, ["a green cup", "lamp"])

    assert asking(ledger) == [0]


def test_what_was_kept_for_an_edit_is_itself_again_when_the_edit_is_undone(
    ledger: Ledger,
) -> None:
    prompts(ledger, ["cup", "lamp"], ids="ab")
    buy_all(ledger)
    before = row_ids(ledger)
    kept(ledger, ["a red cup", "lamp"], ids="ab")

    prompts(ledger, ["cup", "lamp"], ids="ab")

    assert row_ids(ledger) == before
    assert not has_kept(ledger)
    assert [row["warning"] for row in planned(ledger)] == [None, None]


def test_no_two_rows_keep_one_image(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"], ids=["1", "2"])
    buy_all(ledger)
    prompts(ledger, ["cup", "lamp"], ids=["a1", "a2"])

    kept(ledger, ["a", "b", "c"], ids=["4", "2", "3"])

    before = [row["row_id"] for row in planned(ledger) if row["kept_for"]]
    assert len(before) == len(set(before)) == 2


def test_where_nothing_came_of_a_payment_nothing_is_kept(ledger: Ledger) -> None:
    prompts(ledger, ["cup"], ids="a")
    attempt_id = send_part(ledger, row_ids(ledger)[0])
    ledger.mark_ended(attempt_id, ended(State.FAILED, Charge.REPORTED, 7))

    kept(ledger, ["a red cup"], ids="a")

    assert waiting(ledger) == [0]
    assert asking(ledger) == []
    assert not has_kept(ledger)


# -- whatever is edited


TABLE = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["cup", "lamp", "pot"])),
    max_size=6,
    unique_by=lambda row: row[0],
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(tables=st.lists(st.tuples(TABLE, st.booleans()), min_size=2, max_size=5))
def test_nothing_is_bought_twice_without_consent_whatever_is_edited(
    tables: list[tuple[list[tuple[str, str]], bool]],
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(new_ledger(Path(folder))) as ledger,
    ):
        bought_of: Counter[str] = Counter()
        most_of: Counter[str] = Counter()
        for table, has_ids in tables:
            texts = [text for _, text in table]
            prompts(ledger, texts, [name for name, _ in table] if has_ids else None)
            standing = row_ids(ledger)
            assert len(set(standing)) == len(table), "two rows have one purchase"
            most_of |= Counter(texts)
            free = set(waiting(ledger)) - set(asking(ledger))
            buy(ledger, free)
            bought_of.update(texts[position] for position in free)
            assert bought_of <= most_of
            rename(ledger)
            names = [str(row["stem"]).casefold() for row in planned(ledger)]
            assert len(set(names)) == len(names), "two rows have one name"
            totals = ledger.totals(EVERY)
            assert totals.spent + totals.superseded == PRICE * bought_of.total()


POSITIONS = st.lists(st.integers(0, 40), unique=True, max_size=8)


@settings(max_examples=100, deadline=None)
@given(new=POSITIONS, old=POSITIONS)
def test_the_nearest_positions_are_paired_first(new: list[int], old: list[int]) -> None:
    pairs = list(nearest_pairs(new, old))

    assert len(pairs) == min(len(new), len(old))
    left, right = set(new), set(old)
    for one, other in pairs:
        min_distance = min(abs(first - second) for first in left for second in right)
        assert abs(one - other) == min_distance
        left.remove(one)
        right.remove(other)
