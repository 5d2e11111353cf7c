"""What a run takes as keywords: a mistake is no consent, and spends nothing."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import batchgen
from batchgen.sandbox import KEY, SandboxProcess
from tests.api.conftest import KEYS, job_at

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"rehersal": True}, "unknown keyword `rehersal`: did you mean `rehearse`"),
    ({"rehearse": None}, "`rehearse`"),
    ({"rehearse": "yes"}, "`rehearse`: 'yes' is neither true nor false"),
    ({"yes": "no"}, "`yes`: 'no' is neither true nor false"),
    ({"rebuy": 1}, "`rebuy`"),
    ({"rehearse": True, "faults": "tornado"}, "`faults`: 'tornado' is none of calm"),
    ({"rehearse": True, "seed": "x"}, "`seed`: write a whole number"),
    ({"rehearse": True, "latency": "slow"}, "`latency`"),
    ({"rehearse": True, "latency": -1}, "`latency`: write seconds"),
    ({"rehearse": True, "latency": float("nan")}, "`latency`"),
    ({"on_progress": 3}, "`on_progress`: give a function"),
    ({"on_notice": 3}, "`on_notice`: give a function"),
    ({"confirm": True}, "`confirm`: give a function that takes an Estimate"),
    ({"handle": "x"}, "`handle`: give a RunHandle"),
    ({"keys": KEY}, "`keys`: write the keys by provider"),
    ({"keys": {"aimlap": KEY}}, "`keys`: unknown provider `aimlap`: did you mean"),
    ({"keys": {"aimlapi": ""}}, "`keys`: the key of `aimlapi` is empty"),
    ({"keys": {"aimlapi": KEY.encode()}}, "`keys`: the key of `aimlapi`"),
    ({"keys": {KEY: "aimlapi"}}, "`keys`: the provider comes first"),
]


@pytest.mark.parametrize(("keywords", "message"), WRONG)
def test_a_wrong_keyword_is_named_and_nothing_is_sent(
    sandbox: SandboxProcess,
    frame: pl.DataFrame,
    keywords: dict[str, Any],
    message: str,
) -> None:
    before = len(sandbox.requests())
    job = job_at(sandbox, frame)

    with pytest.raises(batchgen.UsageError, match=f"^.*{message}") as caught:
        batchgen.run(job, **{"keys": KEYS, **keywords})

    assert KEY not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert len(sandbox.requests()) == before


def test_what_is_no_job_is_refused() -> None:
    source: Any = "products.csv"

    for use in (batchgen.run, batchgen.check):
        with pytest.raises(batchgen.UsageError, match=r"str is no batchgen\.Job"):
            use(source)
