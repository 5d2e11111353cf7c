"""A catalogue whose rows build on rows, in two ratios on two backgrounds, is killed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.acceptance.batch import Batch
from tests.books import ledger_rows
from tests.crash.killing import at_event, kill_run, rehearsal
from tests.law import check_all

JOB = """
manifest = "catalog.csv"
prompt = "{{ name }} on {{ scene }}, {{ aspect_ratio }}"

[expand]
aspect_ratio = ["1:1", "16:9"]
scene = ["white", "an oak table"]
"""
PRODUCTS = 1
ROWS = PRODUCTS * 3 * 4

_EARLY = """
  SELECT child.id FROM parents
    JOIN plan AS child ON child.generation = parents.generation
                      AND child.position = parents.position
    JOIN plan AS parent ON parent.generation = parents.generation
                       AND parent.position = parents.parent
    JOIN attempts AS bought ON bought.row_id = child.row_id
  WHERE NOT EXISTS (SELECT 1 FROM attempts AS made
                    WHERE made.row_id = parent.row_id AND made.state = 'stored'
                      AND made.ended_at <= bought.sent_at)
"""
"""Children that were asked for before their parent's image was stored."""


def catalogue(folder: Path, provider: str) -> Batch:
    """Return a hero of each product, below the banner and the story made from it."""
    batch = replace(
        rehearsal(folder, provider, "--concurrency", "3"), job="catalog.toml"
    )
    (folder / "catalog.toml").write_text(JOB)
    batch.write(
        [
            {"id": f"{name}{product}", "name": f"{name} {product}", "references": needs}
            for product in range(PRODUCTS)
            for name, needs in (
                ("story", f"row:banner{product}|row:hero{product}"),
                ("banner", f"row:hero{product}"),
                ("hero", ""),
            )
        ]
    )
    return batch


@pytest.mark.parametrize("provider", ["aimlapi", "foxapi"])
def test_a_chained_and_expanded_catalogue_is_paid_once_however_often_it_is_killed(
    provider: str, tmp_path: Path
) -> None:
    batch = catalogue(tmp_path, provider)

    kills = [
        kill_run(batch, at_event(event, times))
        for event, times in (
            *(("sent", 1), ("stored", 1)),
            *(("stored", 3), ("sent", 3)),
        )
    ]
    ended = batch.run()
    again = batch.run()

    assert all(kills)
    assert (ended.code, again.code) == (0, 0), ended
    books = batch.books()
    assert books.statuses == {"succeeded": ROWS}
    check_all(books)
    assert not ledger_rows(batch.ledger, _EARLY)
    lost = [attempt for attempt in books.attempts if attempt["state"] == "unknown"]
    assert len(books.attempts) == ROWS + len(lost)
