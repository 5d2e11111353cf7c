"""The catalogue job runs at every provider by changing one word."""

from __future__ import annotations

import csv
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from batchgen.job import load_job
from batchgen.providers import PROVIDERS
from batchgen.verify.requests import rates_of
from tests.contract.arrived import leaves
from tests.contract.customer import Customer, check_books

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
LIMIT = 40


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_catalogue_runs_at_every_provider(customer: Customer) -> None:
    job = load_job(
        ROOT / "jobs" / "catalog.toml",
        provider=customer.provider,
        limit=LIMIT,
        out=customer.folder / "o",
    )
    terms = replace(
        job.terms_of(customer.provider),
        base_url=customer.sandbox.provider_url(customer.provider),
        rates=rates_of(customer),
    )
    uploads = len(customer.sandbox.uploads())

    await customer.run_job(replace(job, terms={customer.provider: terms}))

    books = customer.books(job.out)
    in_scope = books.rows[:LIMIT]
    assert {row["status"] for row in in_scope} == {"succeeded"}
    assert {row["warning"] for row in in_scope} == {None}
    assert books.statuses["succeeded"] == LIMIT
    assert (books.spent, books.at_risk) == (books.billed, 0)
    check_books(books)
    with (SAMPLES / "catalog.csv").open(encoding="utf-8", newline="") as file:
        sketches = [row["reference_sketch"] for row in csv.DictReader(file)][:LIMIT]
    assert sum(map(bool, sketches)) > LIMIT / 2
    _check_sketches(customer, [sketch for sketch in sketches if sketch], uploads)


def _check_sketches(customer: Customer, names: list[str], before: int) -> None:
    """Each sketch that is named arrived whole: with its rows, or uploaded once."""
    digests = {sha256((SAMPLES / name).read_bytes()).hexdigest() for name in names}
    uploaded = [upload["sha256"] for upload in customer.sandbox.uploads()[before:]]
    texts = [
        str(name)
        for request in customer.requests()
        for _, name in leaves(request["body"])
    ]
    if uploaded:
        assert sorted(uploaded) == sorted(digests)
        assert sum("/uploads/" in name for name in texts) >= len(names)
    else:
        matching = [name for name in texts if any(digest in name for digest in digests)]
        assert len(matching) >= len(names)
