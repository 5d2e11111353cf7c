from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from batchgen.errors import SpecError
from batchgen.manifest import Problem
from batchgen.manifest.manifest import Manifest
from batchgen.model import ImageRequest, ReferenceTerms, Terms
from tests.manifest.conftest import MakeJob, ReadRows


def test_a_row_that_states_all_becomes_a_request(read_rows: ReadRows) -> None:
    header = (
        "id,prompt,references,aspect_ratio,resolution,n,filename,provider,model,"
        "negative_prompt,output_format,temperature,brand"
    )
    cells = (
        " a1 ,a mug,https://a.example/1|https://a.example/2,16:9,2k,2,x/y,foxapi,m1,"
        "no text,JPEG,0.5,Acme"
    )

    (row,) = read_rows(f"{header}\n{cells}\n")

    assert row.problem is None
    assert (row.id, row.filename, row.provider) == ("a1", "x/y", "foxapi")
    assert row.request == ImageRequest(
        prompt="a mug",
        references=("https://a.example/1", "https://a.example/2"),
        aspect_ratio="16:9",
        resolution="2K",
        n=2,
        model="m1",
        options={
            "negative_prompt": "no text",
            "output_format": "jpg",
            "temperature": 0.5,
        },
    )
    assert row.fingerprint is not None
    assert len(row.fingerprint) == 16


def test_the_job_speaks_for_rows_that_say_nothing(read_rows: ReadRows) -> None:
    with_options, without_options = read_rows(
        "prompt,aspect_ratio,resolution,n,model\na,1:1,1K,1,own\nb,,,,\n",
        aspect_ratio="16:9",
        resolution="4K",
        n=3,
        terms={"aimlapi": Terms(model="of-the-job")},
    )

    assert with_options.request == ImageRequest(
        prompt="a", aspect_ratio="1:1", resolution="1K", model="own"
    )
    assert without_options.request == ImageRequest(
        prompt="b", aspect_ratio="16:9", resolution="4K", n=3, model="of-the-job"
    )


def test_options_of_the_job_hold_for_rows_that_say_nothing_of_them(
    read_rows: ReadRows,
) -> None:
    table = "prompt,quality,thinking_level\na,LOW,\nb,,High\n"
    options = {"quality": "high", "web_search": True}

    with_options, without_options = read_rows(table, options=options)
    other_spelling = read_rows(
        "prompt,quality,thinking_level,web_search\na,low,,true\nb,high,high,true\n"
    )

    assert with_options.request is not None
    assert without_options.request is not None
    assert with_options.request.options == {"quality": "low", "web_search": True}
    assert without_options.request.options == {
        "quality": "high",
        "web_search": True,
        "thinking_level": "high",
    }
    # Asked for is asked for, wherever it is said.
    assert [row.fingerprint for row in (with_options, without_options)] == [
        row.fingerprint for row in other_spelling
    ]


def test_a_model_that_is_not_stated_for_all_providers_is_no_part_of_a_row(
    read_rows: ReadRows,
) -> None:
    (row,) = read_rows(
        "prompt\na\n",
        providers=("aimlapi", "foxapi"),
        terms={"aimlapi": Terms(model="one"), "foxapi": Terms(model="other")},
    )

    assert row.request == ImageRequest(prompt="a")


def test_changing_the_provider_changes_no_fingerprint(read_rows: ReadRows) -> None:
    (one,) = read_rows("prompt\na\n")
    (other,) = read_rows(
        "prompt,provider\na,foxapi\n",
        providers=("foxapi",),
        terms={"foxapi": Terms(base_url="https://x.example")},
    )

    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize(
    ("header", "cell", "column", "message"),
    [
        ("prompt,n", "a,0", "n", "no whole number from 1 to 1000"),
        ("prompt,resolution", "a,8K", "resolution", "is none of 512"),
        ("prompt,aspect_ratio", "a,16x9", "aspect_ratio", "write 16:9"),
        ("prompt,web_search", "a,perhaps", "web_search", "neither true nor false"),
        ("prompt,temperature", "a,3", "temperature", "no number from 0 to 2"),
        ("prompt,id", "a,", "id", "the id is empty"),
        ("prompt,x", ",1", "prompt", "the prompt is empty"),
        ("prompt,x", "  ,1", "prompt", "the prompt is empty"),
        ("prompt,image", "a,gone.png", "image", "no such file: gone.png"),
        (
            "prompt,image,references",
            "a,https://a.example,https://b.example",
            "image",
            "`references` has references in this row, too",
        ),
    ],
)
def test_a_bad_cell_makes_its_row_invalid_and_no_other(
    read_rows: ReadRows, header: str, cell: str, column: str, message: str
) -> None:
    good = "good" + ",1" * header.count(",")
    if "image" in header:
        good = "good" + "," * header.count(",")
    if "aspect_ratio" in header:
        good = "good,1:1"
    if "resolution" in header:
        good = "good,1K"

    bad, fine = read_rows(f"{header}\n{cell}\n{good}\n")

    assert bad.problem is not None
    assert bad.problem.column == column
    assert message in bad.problem.message
    assert (bad.request, bad.fingerprint) == (None, None)
    assert fine.problem is None
    assert fine.request is not None


def test_the_first_of_several_problems_stands(read_rows: ReadRows) -> None:
    (row,) = read_rows("n,id,prompt,resolution\n0,,,8K\n")

    assert row.problem == Problem(column="id", message="the id is empty")


def test_a_problem_names_the_users_own_column(read_rows: ReadRows) -> None:
    (row,) = read_rows("prompt,Format\na,wide\n", columns={"aspect_ratio": "Format"})

    assert row.problem is not None
    assert row.problem.column == "Format"


def test_an_invalid_row_still_shows_what_is_known_of_it(read_rows: ReadRows) -> None:
    (row,) = read_rows("id,prompt,n,filename\n7,a,0,f\n")

    assert (row.id, row.prompt, row.filename) == ("7", "a", "f")


def test_a_template_is_filled_and_a_row_that_it_fails_on_is_told(
    read_rows: ReadRows,
) -> None:
    rows = read_rows(
        "id,name,grams\n1,Mug,300\n2,Cup,none\n",
        prompt="{{ name }} of {{ 1000 / grams | float }}",
    )

    assert rows[0].prompt == "Mug of 3.3333333333333335"
    assert rows[1].problem == Problem(
        column="prompt",
        message="the template cannot be filled: float division by zero",
    )


def test_a_template_without_columns_makes_a_prompt_for_each_row(
    read_rows: ReadRows,
) -> None:
    rows = read_rows("x\n1\n2\n3\n4\n", prompt="a cat")

    assert [(row.line, row.prompt) for row in rows] == [
        (line, "a cat") for line in (2, 3, 4, 5)
    ]


def test_local_references_are_read_beside_the_manifest(
    read_rows: ReadRows, tmp_path: Path
) -> None:
    (tmp_path / "cup.png").write_bytes(b"png")

    (row,) = read_rows("prompt,image\na,cup.png\n")

    assert row.request is not None
    assert row.request.references == ("cup.png",)


def test_csv_and_parquet_twins_are_the_same_rows(make_job: MakeJob) -> None:
    csv = make_job("id,prompt,n\n007,a mug,2\n8,猫,\n")
    frame = pl.DataFrame(
        {"id": ["007", "8"], "prompt": ["a mug", "猫"], "n": [2, None]}
    )
    frame.write_parquet(csv.manifest.with_name("m.parquet"))
    parquet = replace(csv, manifest=csv.manifest.with_name("m.parquet"))

    one = next(Manifest.open(csv).slices()).rows
    other = next(Manifest.open(parquet).slices()).rows

    assert [replace(row, line=None) for row in one] == list(other)


def test_own_columns_travel_with_their_slices(make_job: MakeJob) -> None:
    content = "id,brand,prompt,ean\n1,A,x,001\n2,,y,002\n3,C,z,003\n"
    manifest = Manifest.open(make_job(content))

    own = [
        pl.read_ipc_stream(slice_.user_columns).rows() for slice_ in manifest.slices(2)
    ]

    assert own == [[("A", "001"), (None, "002")], [("C", "003")]]
    schema = pl.read_ipc_stream(manifest.user_schema).schema
    assert schema == {"brand": pl.String, "ean": pl.String}


def test_a_manifest_can_be_read_again_from_its_start(make_job: MakeJob) -> None:
    manifest = Manifest.open(make_job("prompt\n" + "a\n" * 10))

    first = [row for slice_ in manifest.slices(3) for row in slice_.rows]
    again = [row for slice_ in manifest.slices(4) for row in slice_.rows]

    assert first == again
    assert [row.position for row in first] == list(range(10))


@pytest.mark.parametrize("first", [0, 3, 4, 9, 10])
def test_rows_above_the_first_are_passed_over_and_the_others_are_the_same(
    first: int, make_job: MakeJob
) -> None:
    table = "prompt,own\n" + "".join(
        f'"a\ncup {number}",{number}\n' for number in range(10)
    )
    manifest = Manifest.open(make_job(table))
    whole = [row for slice_ in manifest.slices(3) for row in slice_.rows]

    parts = list(manifest.slices(3, first))

    assert [row for slice_ in parts for row in slice_.rows] == whole[first:]
    own = [
        row
        for slice_ in parts
        for row in pl.read_ipc_stream(slice_.user_columns).rows()
    ]
    assert own == [(str(number),) for number in range(first, 10)]
    positions = [number for number in (2, first, 9) if number < 10]
    assert list(manifest.rows_at(sorted(positions))) == [
        whole[number] for number in sorted(positions)
    ]


def test_whoever_waits_for_a_manifest_no_longer_can_end_its_reading(
    make_job: MakeJob,
) -> None:
    class Enough(Exception):
        pass

    def checkpoint() -> None:
        raise Enough

    manifest = Manifest.open(make_job("prompt\n" + "a\n" * 10))
    manifest.checkpoint = checkpoint

    with pytest.raises(Enough):
        manifest.digest()
    with pytest.raises(Enough):
        list(manifest.slices())


def test_a_manifest_with_ids_says_so(make_job: MakeJob) -> None:
    manifest = Manifest.open(make_job("id,prompt\na,b\n"))

    (row,) = next(manifest.slices()).rows

    assert "id" in manifest.states
    assert row.id == "a"


def test_a_manifest_without_ids_says_so(make_job: MakeJob) -> None:
    manifest = Manifest.open(make_job("prompt,x\na,b\n"))

    (row,) = next(manifest.slices()).rows

    assert "id" not in manifest.states
    assert row.id is None


def test_the_digest_changes_with_the_file_and_with_what_shapes_its_rows(
    make_job: MakeJob,
) -> None:
    job = make_job("prompt,x\na,b\n")
    changes: list[dict[str, object]] = [
        {},
        {"prompt": "{{ x }}"},
        {"columns": {"prompt": "x"}},
        {"aspect_ratio": "1:1"},
        {"resolution": "1K"},
        {"n": 2},
        {"options": {"quality": "high"}},
        {"terms": {"aimlapi": Terms(model="m")}},
        {"references": ReferenceTerms(folder=job.manifest.parent / "images")},
    ]
    digests = {Manifest.open(replace(job, **change)).digest() for change in changes}  # type: ignore[arg-type]
    shrink = ReferenceTerms(folder=job.manifest.parent, shrink=True)
    same = Manifest.open(replace(job, limit=5, references=shrink)).digest()

    assert len(digests) == len(changes)
    assert same in digests
    assert Manifest.open(make_job("prompt,x\na,c\n")).digest() not in digests


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("gone.csv", "no such file: gone.csv: did you mean", id="missing"),
        pytest.param("x/m.csv", "no such file: x/m.csv", id="no-such-folder"),
        pytest.param("folder.csv", "folder.csv is a folder", id="folder"),
        pytest.param("m.pdf", "m.pdf: neither a job file", id="other-format"),
    ],
)
def test_what_is_no_manifest_is_refused_by_name(
    make_job: MakeJob, tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "m.pdf").write_bytes(b"PK")
    (tmp_path / "gone1.csv").touch()
    job = replace(make_job("prompt\na\n"), manifest=tmp_path / name)

    with pytest.raises(SpecError) as caught:
        Manifest.open(job)

    assert str(caught.value).startswith(message)


def test_a_manifest_that_vanishes_is_told(make_job: MakeJob) -> None:
    job = make_job("prompt\na\n")
    manifest = Manifest.open(job)
    job.manifest.unlink()

    with pytest.raises(SpecError, match=r"^no such file: m\.csv"):
        next(manifest.slices())
    with pytest.raises(SpecError, match=r"^no such file: m\.csv"):
        manifest.digest()
