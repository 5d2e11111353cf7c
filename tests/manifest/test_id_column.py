"""Which column is proposed as the id."""

from __future__ import annotations

import polars as pl
import pytest

from batchgen.manifest.id_column import IdCandidates


@pytest.mark.parametrize(("rows", "best"), [(1, None), (2, "SKU")])
def test_a_column_is_proposed_only_where_its_values_differ_from_others(
    rows: int, best: str | None
) -> None:
    candidates = IdCandidates(["Title", "SKU"], excluded=[])

    candidates.watch(pl.DataFrame({"Title": "lamp", "SKU": ["1", "2"][:rows]}))

    assert candidates.best() == best
