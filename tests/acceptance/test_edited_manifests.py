"""An edited manifest buys what is new in it, and nothing else."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

from tests.acceptance.batch import Batch, product_rows
from tests.acceptance.conftest import rehearsal
from tests.books import Books
from tests.law import check_all, check_amounts, check_archive, check_images


def cost_of(books: Books, prompts: set[str]) -> int:
    return sum(
        attempt["cost"] for attempt in books.attempts if attempt["prompt"] in prompts
    )


def finish(batch: Batch, *more: str) -> Books:
    """Run to a good end and return books that keep every law."""
    ended = batch.run(*more)
    assert ended.code == 0, ended
    assert "the same to the nano-dollar" in ended.stdout
    books = batch.books()
    check_all(books)
    return books


def test_shuffled_rows_are_not_bought_again(finished_batch: Batch) -> None:
    rows = product_rows(range(10))
    random.Random(4).shuffle(rows)
    batch = finished_batch
    batch.write(rows)

    books = finish(batch)

    assert len(books.requests) == 10
    assert [row["id"] for row in books.rows] == [row["id"] for row in rows]
    assert books.superseded == 0


def test_added_rows_are_bought_and_dropped_rows_retired_until_they_come_back(
    finished_batch: Batch,
) -> None:
    finished_batch.write(product_rows(range(3, 12)))

    books = finish(finished_batch)

    gone = {str(row["prompt"]) for row in product_rows(range(3))}
    assert [request["body"]["prompt"] for request in books.requests[10:]] == [
        row["prompt"] for row in product_rows((10, 11))
    ]
    assert books.superseded == cost_of(books, gone) > 0
    with zipfile.ZipFile(finished_batch.archive) as archive:
        names = archive.namelist()
    assert "p0011.png" in names
    assert not {"p0000.png", "p0001.png", "p0002.png"} & set(names)

    finished_batch.write(product_rows(range(12)))
    books = finish(finished_batch)

    assert len(books.requests) == 12
    assert (books.statuses, books.superseded) == ({"succeeded": 12}, 0)


def test_a_changed_prompt_is_bought_only_after_its_own_word(
    finished_batch: Batch,
) -> None:
    rows = product_rows(range(10))
    rows[4]["prompt"] = "Product 4, in the rain"
    finished_batch.write(rows)

    refused = finished_batch.run("--yes")
    books = finished_batch.books()

    assert refused.code == 2, refused
    assert "--rebuy" in refused.stderr
    assert "$0.0895" in refused.stderr
    assert "Nothing was sent" in refused.stderr
    assert len(books.requests) == 10
    check_archive(books)
    check_images(books)

    books = finish(finished_batch, "--rebuy")

    [again] = books.requests[10:]
    assert again["body"]["prompt"] == "Product 4, in the rain"
    assert books.statuses == {"succeeded": 10}
    assert books.superseded == cost_of(books, {str(product_rows([4])[0]["prompt"])}) > 0


def test_going_back_to_the_old_prompt_buys_nothing(finished_batch: Batch) -> None:
    rows = product_rows(range(10))
    finished_batch.write([*rows[:9], {**rows[9], "prompt": "Product 9, in the rain"}])
    finish(finished_batch, "--rebuy")
    finished_batch.write(rows)

    books = finish(finished_batch)

    assert len(books.requests) == 11
    assert books.superseded == cost_of(books, {"Product 9, in the rain"}) > 0


def test_another_provider_buys_only_what_no_provider_has_made(
    finished_batch: Batch,
) -> None:
    batch = finished_batch.having("--provider", "foxapi")
    books = finish(batch)
    assert len(books.requests) == 10
    batch.write(product_rows(range(11)))

    books = finish(batch)

    assert [request["provider"] for request in books.requests[10:]] == ["foxapi"]
    providers = [row["provider"] for row in books.rows]
    assert providers == ["aimlapi"] * 10 + ["foxapi"]


def test_rows_without_ids_are_known_by_what_they_ask_for(tmp_path: Path) -> None:
    batch = rehearsal(tmp_path, "aimlapi")
    batch.write([{"prompt": name} for name in ("cup", "jug", "cup", "pan", "cup")])
    ended = batch.run()
    assert ended.code == 0, ended
    batch.write([{"prompt": name} for name in ("pan", "cup", "pot", "cup")])

    ended = batch.run()
    books = batch.books()

    assert ended.code == 0, ended
    assert [request["body"]["prompt"] for request in books.requests[5:]] == ["pot"]
    assert books.prompts == ["pan", "cup", "pot", "cup"]
    assert (
        books.superseded
        == sum(attempt["cost"] for attempt in books.attempts) - books.in_table
    )
    assert len({row["files"][0]["sha256"] for row in books.rows}) == 4
    assert (books.billed, books.at_risk) == (books.spent, 0)


def test_a_run_with_nothing_to_do_leaves_the_zip_untouched(
    finished_batch: Batch,
) -> None:
    before = finished_batch.archive.stat()

    books = finish(finished_batch)

    after = finished_batch.archive.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert len(books.requests) == 10


def test_limit_buys_the_first_rows_and_leaves_the_others_pending(
    tmp_path: Path,
) -> None:
    batch = rehearsal(tmp_path, "aimlapi")
    batch.write(product_rows(range(6)))

    books = finish(batch, "--limit", "2")

    assert [row["status"] for row in books.rows] == ["succeeded"] * 2 + ["pending"] * 4
    assert len(books.requests) == 2

    books = finish(batch)

    assert books.statuses == {"succeeded": 6}
    assert len(books.requests) == 6


def test_what_is_taken_over_stays_so_when_the_run_is_killed(tmp_path: Path) -> None:
    batch = rehearsal(tmp_path, "aimlapi", "--concurrency", "2")
    rows = product_rows(range(6))
    batch.write(rows)
    assert batch.run().code == 0
    renumbered = [{**row, "id": f"n-{row['id']}"} for row in rows]
    batch.write([*renumbered, *product_rows(range(6, 60))])

    with batch.running() as run:
        run.until("stored", 5)
        run.kill()
    ended = batch.run()

    assert ended.code == 0, ended
    books = batch.books()
    check_archive(books)
    check_images(books)
    check_amounts(books.spent, books.billed, books.at_risk)
    bought_first = [request["body"]["prompt"] for request in books.requests[:6]]
    later = {request["body"]["prompt"] for request in books.requests[6:]}
    assert not later & set(bought_first)
    assert books.statuses == {"succeeded": 60}
    assert [row["id"] for row in books.rows[:6]] == [row["id"] for row in renumbered]
    assert books.superseded == 0
    with zipfile.ZipFile(batch.archive) as archive:
        assert "p0000.png" in archive.namelist()
