"""The ledger takes the legal steps and no other, and says in words what is wrong."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib.resources import files
from itertools import product
from pathlib import Path

import pytest

from batchgen.errors import (
    Charge,
    DiskFull,
    LedgerLocked,
    LedgerMismatch,
    StorageError,
)
from batchgen.ledger import Candidate, Ledger, Meta, Reader
from batchgen.ledger.database import queries
from batchgen.ledger.ledger import just_sent
from batchgen.ledger.meta import Key
from batchgen.ledger.request_json import dump_request, load_request
from batchgen.model import NEXT, OPEN, ImageRequest, Link, State, Status
from tests.ledger.books import (
    AT,
    CEILING,
    PRICE,
    STEPS,
    WAYS,
    buy_images,
    ended,
    image,
    new_ledger,
    prompts,
    row_ids,
    send_part,
    start,
)

LEGAL = [(one, two) for one in State for two in STEPS if two in NEXT[one]]
ILLEGAL = [pair for pair in product(State, STEPS) if pair not in LEGAL]


@pytest.fixture
def row_id(ledger: Ledger) -> int:
    prompts(ledger, ["a cup"])
    return row_ids(ledger)[0]


def brought_to(ledger: Ledger, row_id: int, state: State) -> int:
    attempt_id = send_part(ledger, row_id)
    for step in WAYS[state]:
        STEPS[step](ledger, attempt_id)
    assert ledger.attempt(attempt_id).state is state
    return attempt_id


# -- the steps of an attempt


@pytest.mark.parametrize(("before", "after"), LEGAL, ids=lambda state: state.value)
def test_each_legal_step_is_taken_and_stands_on_disk(
    ledger: Ledger, row_id: int, before: State, after: State
) -> None:
    with ledger.transaction():
        attempt_id = brought_to(ledger, row_id, before)
        STEPS[after](ledger, attempt_id)

    with closing(Reader(ledger.path)) as other:
        assert other.attempt(attempt_id).state is after


@pytest.mark.parametrize(("before", "after"), ILLEGAL, ids=lambda state: state.value)
def test_each_other_step_is_refused_and_leaves_the_attempt_as_it_was(
    ledger: Ledger, row_id: int, before: State, after: State
) -> None:
    attempt_id = brought_to(ledger, row_id, before)
    unchanged = ledger.attempt(attempt_id)

    with pytest.raises(StorageError, match=f"from {before.value} to {after.value}"):
        STEPS[after](ledger, attempt_id)

    assert ledger.attempt(attempt_id) == unchanged


def test_money_that_was_paid_can_never_become_an_unknown_outcome() -> None:
    paid = (State.DELIVERED, State.STORED)

    assert all(State.UNKNOWN not in NEXT[state] for state in paid)
    assert all(State.REJECTED not in NEXT[state] for state in State if state != "sent")
    assert NEXT[State.STORED] == frozenset()


def test_a_step_of_an_attempt_that_is_not_there_is_refused(ledger: Ledger) -> None:
    with pytest.raises(StorageError, match="from missing to accepted"):
        ledger.mark_accepted(99, "t", None, AT)


def test_the_schema_draws_the_same_steps_as_the_model() -> None:
    text = files("batchgen.ledger").joinpath("schema.sql").read_text("utf-8")
    drawn: dict[str, set[str]] = {}
    for line in re.findall(r"^-- (\w[\w, ]* -> .*)$", text, re.MULTILINE):
        left, _, right = re.sub(r"\(.*?\)", "", line).partition("->")
        for state in left.split(","):
            drawn.setdefault(state.strip(), set()).update(re.findall(r"\w+", right))

    assert {State(name): set(map(State, ends)) for name, ends in drawn.items()} == {
        state: set(ends) for state, ends in NEXT.items() if ends
    }


def test_open_attempts_are_those_with_money_in_flight_or_images_to_come(
    ledger: Ledger, row_id: int
) -> None:
    with ledger.transaction():
        for state in State:
            brought_to(ledger, row_id, state)

    states = {attempt.state for attempt in ledger.open_attempts()}

    assert states == OPEN | {State.OVERDUE}


def test_a_delivered_attempt_keeps_the_links_that_are_still_to_be_fetched(
    ledger: Ledger, row_id: int
) -> None:
    attempt_id = send_part(ledger, row_id, images=2)
    old = [(1, Link("https://old/1")), (2, Link("https://old/2"))]
    fresh = [(1, Link("https://new/1")), (2, Link("https://new/2"))]
    charge = (Charge.REPORTED, PRICE)
    ledger.mark_delivered(attempt_id, old, charge, "r-1", 3.5)

    ledger.mark_delivered(attempt_id, fresh, charge, None, None)

    assert ledger.links(attempt_id) == fresh
    attempt = ledger.attempt(attempt_id)
    assert (attempt.request_id, attempt.latency_s, attempt.cost) == ("r-1", 3.5, PRICE)
    ledger.mark_stored(attempt_id, [image(1), image(2)], None, AT)
    assert ledger.links(attempt_id) == []


def test_an_overdue_task_that_delivers_forgets_its_error(
    ledger: Ledger, row_id: int
) -> None:
    attempt_id = brought_to(ledger, row_id, State.OVERDUE)

    STEPS[State.DELIVERED](ledger, attempt_id)

    attempt = ledger.attempt(attempt_id)
    assert (attempt.error, attempt.message, attempt.again) == (None, None, None)
    assert attempt.charge is Charge.REPORTED
    assert not attempt.at_risk


def test_a_group_of_steps_that_fails_leaves_nothing_behind(
    ledger: Ledger, row_id: int
) -> None:
    def group() -> None:
        with ledger.transaction():
            send_part(ledger, row_id)
            ledger.mark_accepted(99, "t", None, AT)

    with pytest.raises(StorageError):
        group()

    assert not ledger.has_attempts()


def test_a_step_makes_the_outputs_stale(ledger: Ledger, row_id: int) -> None:
    for step in (
        lambda: send_part(ledger, row_id),
        lambda: ledger.settle(row_id, Status.FAILED, "refused", "no"),
        lambda: buy_images(ledger, row_id),
        lambda: ledger.mark_ended(send_part(ledger, row_id), ended(State.FAILED)),
    ):
        ledger.meta.outputs = "fresh"

        step()

        assert ledger.meta.outputs == "stale"


def test_a_charge_above_the_ceiling_values_what_is_at_risk_and_nothing_else(
    ledger: Ledger, row_id: int
) -> None:
    states = [State.SENT, State.ACCEPTED, State.UNKNOWN, State.OVERDUE]
    risky = [brought_to(ledger, row_id, state) for state in states]
    others = [
        brought_to(ledger, row_id, state) for state in (State.REJECTED, State.STORED)
    ]

    ledger.raise_ceiling("acme", "1K", 2 * CEILING)
    ledger.raise_ceiling("acme", "2K", 9 * CEILING)
    ledger.raise_ceiling("other", "1K", 9 * CEILING)
    ledger.raise_ceiling("acme", "1K", CEILING // 2)

    assert [ledger.attempt(attempt_id).ceiling for attempt_id in risky] == [
        2 * CEILING
    ] * len(risky)
    assert [ledger.attempt(attempt_id).ceiling for attempt_id in others] == [
        CEILING
    ] * len(others)


def test_a_dear_model_that_kept_its_price_makes_no_other_dearer(
    ledger: Ledger, row_id: int
) -> None:
    dear = replace(start(row_id), ceiling=9 * CEILING)
    ledger.mark_delivered(
        ledger.mark_sent(dear), [], (Charge.REPORTED, 9 * CEILING), None, None
    )
    assert ledger.highest_charges() == []

    buy_images(ledger, row_id, CEILING + 1)

    assert ledger.highest_charges() == [("acme", "1K", CEILING + 1)]


def test_departures_of_the_last_minute_are_found_by_provider(
    ledger: Ledger, row_id: int
) -> None:
    send_part(ledger, row_id)

    assert ledger.sent_since("acme", AT - 1) == [AT]
    assert ledger.sent_since("acme", AT) == []
    assert ledger.sent_since("other", 0) == []


def test_a_request_comes_out_of_the_ledger_as_it_went_in() -> None:
    request = ImageRequest(
        prompt="é 漢 'quotes'",
        references=("https://x/1.png", "data:image/png;base64,AA=="),
        aspect_ratio="21:9",
        resolution="4K",
        n=3,
        model="m",
        options={"web_search": True, "temperature": 0.5},
    )

    assert load_request(dump_request(request)) == request
    assert load_request(dump_request(ImageRequest(prompt="a"))) == ImageRequest(
        prompt="a"
    )


# -- the file


def test_every_step_is_safe_from_a_power_loss(ledger: Ledger) -> None:
    connection = ledger._connection

    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_money_and_time_are_integers_by_the_schema_itself(
    ledger: Ledger, row_id: int
) -> None:
    attempt_id = send_part(ledger, row_id)

    with pytest.raises(StorageError, match="cannot store TEXT"):
        ledger.mark_ended(
            attempt_id,
            ended(State.FAILED, Charge.REPORTED, "0.09 dollars"),  # type: ignore[arg-type]
        )


def test_the_keys_that_a_folder_remembers_keep_the_names_of_old_ledgers() -> None:
    assert {key.name for key in vars(Meta).values() if isinstance(key, Key)} == {
        *("generation", "plan_digest", "plan_rows", "own_schema", "reading"),
        *("openings", "outputs", "archive_end", "archive_switch", "realm", "source"),
        *("command", "limits", "budget_needed", "rates", "salt", "table_starts"),
        "tables",
    }


def test_what_was_found_at_addresses_stands_under_the_names_of_old_ledgers(
    ledger: Ledger,
) -> None:
    ledger.meta.set_found_limits("acme", "https://a", "{}")
    ledger.meta.set_model_worked("acme", "https://a", "m-1", b"digest")

    assert ledger.read_meta("found acme https://a") == "{}"
    assert ledger.read_meta("worked acme https://a m-1") == b"digest"
    assert ledger.meta.all_found_limits() == [("acme", "{}")]
    assert ledger.meta.models_that_worked("acme", "https://a") == {"m-1": b"digest"}


def test_a_value_of_another_type_counts_as_none(ledger: Ledger) -> None:
    ledger.write_meta("source", 7)
    ledger.write_meta("generation", "seven")

    assert ledger.meta.source is None
    assert ledger.meta.generation == 0


TEMPORARY = ("removed_rows", "added_rows", "remaining_rows", "pairs")


def test_each_named_query_is_valid_sql(ledger: Ledger) -> None:
    assert len(queries()) > 40
    # Tables of the connection alone, made when needed.
    for name in ("kept_create", *(f"edits_begin_{table}" for table in TEMPORARY)):
        ledger.execute(name)
    for name, sql in queries().items():
        names = set(re.findall(r":(\w+)", sql))
        values = dict.fromkeys(names) if names else [None] * sql.count("?")
        ledger._connection.execute(f"EXPLAIN {sql}", values).fetchall()
        assert sql.endswith(";"), name


def test_a_ledger_of_a_newer_batchgen_is_refused_and_left_as_it_is(
    tmp_path: Path,
) -> None:
    new_ledger(tmp_path).close()
    path = tmp_path / "run.db"
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 99")
    before = path.read_bytes()

    for kind in (Ledger, Reader):
        with pytest.raises(LedgerMismatch, match=r"newer batchgen .*upgrade batchgen"):
            kind(path)

    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", [Ledger, Reader])
def test_a_file_that_is_no_ledger_is_told_so(
    tmp_path: Path, kind: type[Reader]
) -> None:
    path = tmp_path / "run.db"
    path.write_bytes(b"id,prompt\n1,a cup\n" * 1000)

    with pytest.raises(StorageError, match=r"damaged or no ledger.*restore it"):
        kind(path)


def test_a_damaged_page_is_told_when_it_is_read(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    prompts(ledger, [f"cup {number}" for number in range(200)])
    ledger.close()
    path = tmp_path / "run.db"
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(b ^ 0x5A for b in data[4096:])
    path.write_bytes(data)

    with pytest.raises(StorageError, match="damaged"):
        Reader(path).totals(10)


def test_a_ledger_without_a_run_is_told_so_to_a_reader(tmp_path: Path) -> None:
    (tmp_path / "run.db").touch()

    with pytest.raises(StorageError, match="holds no run yet"):
        Reader(tmp_path / "run.db")


def test_a_ledger_in_a_folder_that_is_not_there_names_it(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"gone/run\.db"):
        Ledger(tmp_path / "gone" / "run.db")


@contextmanager
def another_writer(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_a_ledger_that_another_program_writes_is_told_as_locked(
    ledger: Ledger,
) -> None:
    ledger._connection.execute("PRAGMA busy_timeout = 0")

    with (
        another_writer(ledger.path),
        pytest.raises(LedgerLocked, match="in use by another program"),
        ledger.transaction(),
    ):
        pass

    with ledger.transaction():
        ledger.write_meta("it", "works again")


def test_a_ledger_can_be_read_while_it_is_written(ledger: Ledger) -> None:
    prompts(ledger, ["a cup"])

    with closing(Reader(ledger.path)) as reader, ledger.transaction():
        send_part(ledger, row_ids(ledger)[0])

        assert not reader.has_attempts()
        assert row_ids(reader) == row_ids(ledger)


def test_a_reader_cannot_write(ledger: Ledger) -> None:
    with (
        closing(Reader(ledger.path)) as reader,
        pytest.raises(StorageError, match="readonly"),
    ):
        reader.execute("meta_set", ("generation", 7))


def test_a_full_disk_is_told_as_such_and_nothing_of_the_group_stays(
    ledger: Ledger,
) -> None:
    pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._connection.execute(f"PRAGMA max_page_count = {pages + 2}")

    def group() -> None:
        with ledger.transaction():
            ledger.write_meta("small", 1)
            ledger.write_meta("large", b"x" * 100_000)

    with pytest.raises(DiskFull, match="free some space"):
        group()

    assert ledger.read_meta("small") is None


def test_a_copy_of_a_ledger_that_is_written_holds_what_was_committed(
    ledger: Ledger, tmp_path: Path
) -> None:
    prompts(ledger, ["a cup", "a lamp"])
    ledger.meta.mode = "loopback"

    ledger.copy_to(tmp_path / "copy.db")

    with closing(Reader(tmp_path / "copy.db")) as copy:
        assert row_ids(copy) == row_ids(ledger)
        assert copy.meta.mode == "loopback"


def test_a_row_is_sent_by_whom_it_is_planned_for_and_while_nothing_of_it_is_under_way(
    ledger: Ledger, row_id: int
) -> None:
    images = range(1, 2)
    assert ledger.may_be_sent(row_id, images, "acme")
    candidate = Candidate(
        provider="other", model="m", resolution="1K", estimate=None, warning=None
    )

    ledger.move(row_id, candidate)

    assert not ledger.may_be_sent(row_id, images, "acme")
    assert ledger.may_be_sent(row_id, images, "other")
    attempt_id = send_part(ledger, row_id)
    assert not ledger.may_be_sent(row_id, images)
    assert ledger.may_be_sent(row_id, range(2, 3))
    ledger.mark_ended(attempt_id, ended(State.FAILED))
    assert ledger.may_be_sent(row_id, images)
    ledger.settle(row_id, Status.FAILED, "refused", "no")
    assert not ledger.may_be_sent(row_id, images)


def test_what_was_just_sent_is_known_without_reading_it_again(
    ledger: Ledger, row_id: int
) -> None:
    attempt_id = send_part(ledger, row_id)

    assert just_sent(attempt_id, start(row_id)) == ledger.attempt(attempt_id)


# -- links


def test_a_link_with_a_key_in_it_is_never_written(
    ledger: Ledger, row_id: int, tmp_path: Path
) -> None:
    ledger.holds_key = lambda text: "secret" in text
    attempt_id = send_part(ledger, row_id, images=2)
    links = [(1, Link("https://x/secret")), (2, Link("https://x/2", from_text=True))]
    place = ("acme", "https://api.acme.example")

    ledger.mark_delivered(attempt_id, links, (Charge.REPORTED, PRICE), None, None)
    ledger.mark_delivered(attempt_id, links, (Charge.REPORTED, PRICE), None, None)
    ledger.keep_upload(place, "name", "https://x/secret", AT)

    assert ledger.links(attempt_id) == [(1, Link("")), links[1]]
    assert ledger.upload(*place, "name", AT - 1) is None
    assert "secret" not in "".join(ledger._connection.iterdump())


def test_an_attempt_whose_link_was_lost_is_delivered_again_at_its_charge(
    ledger: Ledger, row_id: int
) -> None:
    attempt_id = send_part(ledger, row_id)
    links = [(1, Link("https://x/1"))]
    ledger.mark_delivered(attempt_id, links, (Charge.REPORTED, PRICE), "r", 1.0)
    ledger.mark_ended(attempt_id, replace(ended(State.FAILED), cost=PRICE))

    ledger.reopen(attempt_id)

    attempt = ledger.attempt(attempt_id)
    assert (attempt.state, attempt.cost) == (State.DELIVERED, PRICE)
    assert (attempt.error, attempt.again) == (None, None)
    assert ledger.links(attempt_id) == links
