"""Rows that were picked by name, and images that were given up."""

from __future__ import annotations

from batchgen.ledger import Ledger, directory_images, result_slices
from batchgen.ledger.selection import reject_images, rows_named, try_again
from batchgen.model import Status
from tests.ledger.books import PRICE, bad, buy_images, entry, prompts, read, row_ids

EVERY = 1 << 62


def test_rows_without_id_are_known_by_their_position(ledger: Ledger) -> None:
    prompts(ledger, ["cup", "lamp"])
    first, second = row_ids(ledger)

    assert rows_named(ledger, {"0", "1", "7"}) == {"0": first, "1": second}


def test_a_repeated_id_means_the_row_that_can_run(ledger: Ledger) -> None:
    read(
        ledger, [entry(0, id="a"), bad(1, "repeated id", id="a"), bad(2, "no", id="b")]
    )
    [row_id] = row_ids(ledger)

    assert rows_named(ledger, {"a", "b"}) == {"a": row_id, "b": None}


def test_what_was_shared_is_tried_again_for_all_who_share_it(ledger: Ledger) -> None:
    read(ledger, [entry(0, id="a")], dedupe=True)
    [source] = row_ids(ledger)
    buy_images(ledger, source)
    ledger.settle(source, Status.SUCCEEDED, None, None)
    sharing = [entry(0, id="b"), entry(1, id="c")]
    read(ledger, sharing, dedupe=True)
    assert rows_named(ledger, {"c"}) == {"c": source}

    assert reject_images(ledger, source, None)
    try_again(ledger, source)

    assert ledger.status(source) is Status.PENDING
    assert rows_named(ledger, {"b", "c"}) == {"b": source, "c": source}


def test_a_rejected_image_is_missing_but_stays_paid(ledger: Ledger) -> None:
    read(ledger, [entry(0, id="a", n=3)])
    [row_id] = row_ids(ledger)
    buy_images(ledger, row_id, numbers=(1, 2, 3))
    ledger.settle(row_id, Status.SUCCEEDED, None, None)

    assert reject_images(ledger, row_id, 2)
    assert not reject_images(ledger, row_id, 2)
    try_again(ledger, row_id)

    assert ledger.stored_images(row_id) == {1, 3}
    assert ledger.completeness(row_id) == (Status.PENDING, False)
    assert ledger.may_be_sent(row_id, range(2, 3))
    assert not ledger.may_be_sent(row_id, range(2, 4))
    assert [image.image for image in directory_images(ledger)] == [1, 3]
    assert ledger.totals(EVERY).spent == PRICE
    [(rows, _)] = result_slices(ledger, "images.zip")
    assert [image.image for image in rows[0].files] == [1, 3]
    assert rows[0].status is Status.PENDING
