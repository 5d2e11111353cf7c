"""JSON that programs write: rows within an object, and numbers that JSON lacks."""

from __future__ import annotations

import pytest

from batchgen.errors import SpecError
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.survey import survey_table
from tests.manifest.conftest import MakeJob

INNER = '{"products": [{"id": "1", "prompt": "a"}, {"id": "2", "prompt": "b"}]}'


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(INNER, id="list-alone"),
        pytest.param(INNER.replace("{", '{"total": 2, ', 1), id="beside-others"),
        pytest.param(INNER.replace(", ", ",\n"), id="several-lines"),
    ],
)
def test_rows_within_an_object_are_refused(make_job: MakeJob, content: str) -> None:
    job = make_job(content, "shop.json")

    with pytest.raises(SpecError, match=r"`jq '.\"products\"'` writes it"):
        Manifest.open(job)


def test_no_job_is_proposed_for_rows_within_an_object(make_job: MakeJob) -> None:
    with pytest.raises(SpecError, match="in the list `products`"):
        survey_table(make_job(INNER, "shop.json").manifest)


def test_a_single_row_may_hold_a_list_of_objects(make_job: MakeJob) -> None:
    content = '{"id": "1", "prompt": "a", "variants": [{"size": 1}]}'
    job = make_job(content, "shop.json")

    assert Manifest.open(job).columns().keys() >= {"prompt", "variants"}
    assert survey_table(job.manifest).names == ("id", "prompt", "variants")


def test_a_number_that_json_lacks_is_told(make_job: MakeJob) -> None:
    job = make_job('{"prompt": "NaN", "x": 1}\n{"prompt": "a", "x": NaN}\n', "m.jsonl")

    with pytest.raises(SpecError, match=r"row 1, line 2: .*write null in their place"):
        Manifest.open(job)
