"""After a stop: what is in the ZIP is taken, what had no answer is unknown."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.errors import ArchiveDamaged, Charge, LedgerMissing
from batchgen.ledger import Ledger
from batchgen.model import Link, State, Status
from batchgen.output.archive import Archive, NewImage, Tag
from batchgen.runner.resume import recover
from tests.ledger.books import (
    AT,
    CEILING,
    PRICE,
    STEPS,
    buy_images,
    new_ledger,
    prompts,
    read,
    row_ids,
    send_part,
)
from tests.ledger.books import entry as row_of
from tests.runs.shop import draw_png

NOW = AT + 9_000_000
EVERY = 1 << 62


def picture(
    attempt_id: int, image: int = 1, images: int = 1, cost: int | None = 70_000_000
) -> NewImage:
    return NewImage(
        name=f"cup-{attempt_id}-{image}.png",
        data=draw_png((8, attempt_id % 50 + 1)),
        tag=Tag(attempt_id=attempt_id, image=image, images=images, cost_nano=cost),
    )


def append(folder: Path, *items: NewImage, committed: int = 0) -> int:
    """Write images as a process does that is killed before it commits."""
    with Archive(folder / "images.zip", committed) as archive:
        archive.append(items)
        archive.sync()
        return archive.end


def recovered(ledger: Ledger, folder: Path) -> int:
    """Do what the next process does first; returns how many images were adopted."""
    end = ledger.meta.archive_end
    with Archive(folder / "images.zip", end) as archive:
        return recover(ledger, archive, NOW)


@pytest.fixture
def row_id(ledger: Ledger) -> int:
    prompts(ledger, ["cup"])
    return row_ids(ledger)[0]


def test_an_image_behind_the_last_commit_is_adopted_with_its_cost(
    ledger: Ledger, row_id: int, tmp_path: Path
) -> None:
    attempt_id = send_part(ledger, row_id)
    end = append(tmp_path, picture(attempt_id))

    assert recovered(ledger, tmp_path) == 1

    attempt = ledger.attempt(attempt_id)
    assert (attempt.state, attempt.charge, attempt.cost) == (
        State.STORED,
        Charge.REPORTED,
        70_000_000,
    )
    assert not attempt.at_risk
    assert attempt.latency_s is None
    assert ledger.row(row_id).status is Status.SUCCEEDED
    assert ledger.stored_images(row_id) == {1}
    assert ledger.meta.archive_end == end


def test_an_adopted_image_that_reported_no_cost_leaves_the_rest_of_it_at_risk(
    ledger: Ledger, row_id: int, tmp_path: Path
) -> None:
    attempt_id = send_part(ledger, row_id)
    append(tmp_path, picture(attempt_id, cost=None))

    recovered(ledger, tmp_path)

    attempt = ledger.attempt(attempt_id)
    # Its price varies: the least that it costs is certain, the rest up to the ceiling
    # is not; but its outcome is known.
    min_cost = 2 * PRICE - CEILING
    assert (attempt.charge, attempt.cost) == (Charge.PRICE_LIST, min_cost)
    assert attempt.uncertain == CEILING - min_cost > 0
    assert not attempt.at_risk
    totals = ledger.totals(EVERY)
    assert (totals.spent, totals.at_risk, totals.at_risk_attempts) == (
        *(min_cost, CEILING - min_cost, 0),
    )


def test_an_adopted_image_of_a_delivered_attempt_keeps_the_charge_of_the_ledger(
    ledger: Ledger, row_id: int, tmp_path: Path
) -> None:
    attempt_id = send_part(ledger, row_id)
    charge = (Charge.REPORTED, 12_345)
    ledger.mark_delivered(attempt_id, [(1, Link("https://x"))], charge, "r-9", 1.5)
    append(tmp_path, picture(attempt_id, cost=None))

    assert recovered(ledger, tmp_path) == 1

    attempt = ledger.attempt(attempt_id)
    assert (attempt.state, attempt.cost, attempt.request_id) == (
        State.STORED,
        12_345,
        "r-9",
    )


def test_what_was_sent_and_has_no_answer_is_an_unknown_outcome_at_risk(
    ledger: Ledger, row_id: int, tmp_path: Path
) -> None:
    attempt_id = send_part(ledger, row_id)

    assert recovered(ledger, tmp_path) == 0

    attempt = ledger.attempt(attempt_id)
    assert (attempt.state, attempt.error, attempt.counts) == (
        State.UNKNOWN,
        "outcome_unknown",
        True,
    )
    assert ledger.totals(EVERY).at_risk == CEILING
    row = ledger.row(row_id)
    assert (row.status, row.error) == (Status.PENDING, "outcome_unknown")


@pytest.mark.parametrize("state", [State.ACCEPTED, State.DELIVERED, State.OVERDUE])
def test_what_the_provider_accepted_or_made_stays_open(
    ledger: Ledger, row_id: int, tmp_path: Path, state: State
) -> None:
    attempt_id = send_part(ledger, row_id)
    if state is State.OVERDUE:
        STEPS[State.ACCEPTED](ledger, attempt_id)
    STEPS[state](ledger, attempt_id)

    recovered(ledger, tmp_path)

    assert [open_attempt.state for open_attempt in ledger.open_attempts()] == [state]


def test_a_torn_image_is_not_adopted_and_the_next_one_is_written_in_its_place(
    ledger: Ledger, row_id: int, tmp_path: Path
) -> None:
    whole, torn = send_part(ledger, row_id), send_part(ledger, row_id)
    end = append(tmp_path, picture(whole))
    append(tmp_path, picture(torn), committed=end)
    path = tmp_path / "images.zip"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 3)

    assert recovered(ledger, tmp_path) == 1

    assert ledger.attempt(torn).state is State.UNKNOWN
    assert ledger.meta.archive_end == end
    with Archive(path, end) as archive:
        (member,) = archive.append([picture(7)])
        assert member.offset == end
        assert archive.read(end) == picture(7).data
    assert path.stat().st_size > end


def test_an_image_of_an_attempt_that_the_ledger_does_not_know_is_left_alone(
    ledger: Ledger, row_id: int, tmp_path: Path
) -> None:
    append(tmp_path, picture(99))
    before = (tmp_path / "images.zip").read_bytes()

    with pytest.raises(LedgerMissing, match="1 image of purchases"):
        recovered(ledger, tmp_path)

    assert (tmp_path / "images.zip").read_bytes() == before
    assert ledger.row(row_id).status is Status.PENDING


def test_an_image_of_an_attempt_that_is_stored_already_is_left_alone(
    ledger: Ledger, row_id: int, tmp_path: Path
) -> None:
    attempt_id = buy_images(ledger, row_id)
    append(tmp_path, picture(attempt_id))

    assert recovered(ledger, tmp_path) == 0

    assert ledger.attempt(attempt_id).cost == PRICE
    totals = ledger.totals(EVERY)
    assert (totals.spent, totals.images) == (PRICE, 1)


def test_half_of_an_attempts_images_are_kept_and_its_whole_charge(
    ledger: Ledger, tmp_path: Path
) -> None:
    read(ledger, [row_of(0, n=2)])
    (row_id,) = row_ids(ledger)
    attempt_id = send_part(ledger, row_id, images=2)
    append(tmp_path, picture(attempt_id, 1, 2))

    assert recovered(ledger, tmp_path) == 1

    # The reply had come with both, so both were charged; one is to be bought again.
    attempt = ledger.attempt(attempt_id)
    assert (attempt.state, attempt.charge) == (State.STORED, Charge.REPORTED)
    assert ledger.stored_images(row_id) == {1}
    assert ledger.row(row_id).status is Status.PENDING


def test_half_of_a_delivered_attempt_is_kept_and_only_the_rest_downloaded_again(
    ledger: Ledger, tmp_path: Path
) -> None:
    read(ledger, [row_of(0, n=2)])
    (row_id,) = row_ids(ledger)
    attempt_id = send_part(ledger, row_id, images=2)
    links = [(1, Link("https://x/1")), (2, Link("https://x/2"))]
    ledger.mark_delivered(attempt_id, links, (Charge.REPORTED, 12_345), None, None)
    append(tmp_path, picture(attempt_id, 1, 2))

    assert recovered(ledger, tmp_path) == 1

    assert ledger.attempt(attempt_id).state is State.DELIVERED
    assert ledger.stored_images(row_id) == {1}
    assert ledger.links(attempt_id) == [(2, Link("https://x/2"))]
    assert ledger.row(row_id).status is Status.PENDING


def test_a_row_of_several_images_waits_for_those_that_are_missing(
    ledger: Ledger, tmp_path: Path
) -> None:
    read(ledger, [row_of(0, n=2)])
    (row_id,) = row_ids(ledger)
    attempt_id = send_part(ledger, row_id, first=2)
    append(tmp_path, picture(attempt_id, image=2))

    assert recovered(ledger, tmp_path) == 1

    assert ledger.stored_images(row_id) == {2}
    assert ledger.row(row_id).status is Status.PENDING


def test_an_adopted_image_of_a_dropped_row_is_retired(
    ledger: Ledger, row_id: int, tmp_path: Path
) -> None:
    attempt_id = send_part(ledger, row_id)
    append(tmp_path, picture(attempt_id))
    prompts(ledger, ["lamp"])

    assert recovered(ledger, tmp_path) == 1

    totals = ledger.totals(EVERY)
    assert (totals.spent, totals.superseded, totals.images) == (0, 70_000_000, 0)


def test_recovering_twice_changes_nothing_more(
    ledger: Ledger, row_id: int, tmp_path: Path
) -> None:
    adopted, unknown = send_part(ledger, row_id), send_part(ledger, row_id)
    append(tmp_path, picture(adopted))
    recovered(ledger, tmp_path)
    before = ledger.attempts_of(row_id)

    assert recovered(ledger, tmp_path) == 0

    assert ledger.attempts_of(row_id) == before
    assert [
        attempt.attempt_id for attempt in before if attempt.state is State.UNKNOWN
    ] == [unknown]


def test_an_archive_that_is_shorter_than_the_ledger_knows_stops_everything(
    ledger: Ledger, row_id: int, tmp_path: Path
) -> None:
    end = append(tmp_path, picture(1))
    ledger.meta.archive_end = end
    with (tmp_path / "images.zip").open("r+b") as file:
        file.truncate(end - 1)

    with pytest.raises(ArchiveDamaged, match="put the whole file back"):
        recovered(ledger, tmp_path)


def test_a_charge_that_was_seen_before_the_kill_values_what_is_at_risk(
    ledger: Ledger, row_id: int, tmp_path: Path
) -> None:
    unknown = send_part(ledger, row_id)
    dear = send_part(ledger, row_id)
    append(tmp_path, picture(dear, cost=3 * CEILING))

    recovered(ledger, tmp_path)

    assert ledger.attempt(unknown).ceiling == 3 * CEILING
    assert ledger.attempt(unknown).at_risk


@settings(max_examples=40, deadline=None)
@given(data=st.data(), count=st.integers(1, 5), committed=st.integers(0, 5))
def test_a_kill_at_any_byte_loses_no_whole_image_and_guesses_none(
    data: st.DataObject, count: int, committed: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with closing(new_ledger(folder)) as ledger:
            prompts(ledger, [f"cup {number}" for number in range(count)])
            ids = [send_part(ledger, row_id) for row_id in row_ids(ledger)]
            ends = [0]
            for attempt_id in ids:
                item = picture(attempt_id)
                ends.append(append(folder, item, committed=ends[-1]))
            for attempt_id in ids[:committed]:
                ledger.mark_delivered(
                    attempt_id, (), (Charge.REPORTED, 70_000_000), None, None
                )
                STEPS[State.STORED](ledger, attempt_id)
            safe = ends[min(committed, count)]
            ledger.meta.archive_end = safe
            cut = data.draw(st.integers(safe, ends[-1]))
            with (folder / "images.zip").open("r+b") as file:
                file.truncate(cut)

            recovered(ledger, folder)

            whole = sum(end <= cut for end in ends[1:])
            states = [ledger.attempt(value).state for value in ids]
            assert states == [State.STORED] * whole + [State.UNKNOWN] * (count - whole)
            totals = ledger.totals(EVERY)
            assert totals.spent == 70_000_000 * whole
            assert totals.at_risk == CEILING * (count - whole)
            assert ledger.meta.archive_end == ends[whole]
