"""Files whose content is not what their name says: recognised and named."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import polars as pl
import pytest

from batchgen.errors import SpecError
from batchgen.job import load_job
from batchgen.manifest.file_content import kind_of
from batchgen.manifest.manifest import Manifest
from tests.manifest.conftest import MakeJob


def zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), "x")
    return stream.getvalue()


def parquet() -> bytes:
    stream = io.BytesIO()
    pl.DataFrame({"prompt": ["a"]}).write_parquet(stream)
    return stream.getvalue()


CSV = b"id,prompt\n1,a cup\n2,a mug\n"
KINDS = {
    "old-excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "an Excel workbook"),
    "libreoffice": (zipped("mimetype", "content.xml"), "an OpenDocument file"),
    "word": (zipped("[Content_Types].xml", "word/document.xml"), "a Word document"),
    "zip": (zipped("products.csv"), "a ZIP archive"),
    "gzip": (gzip.compress(b"\0\1", mtime=0), "a compressed file (gzip)"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF"),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "an image (PNG)"),
    "html": (b"\n<!DOCTYPE html>\n<html><title>Log in</title>", "a web page (HTML)"),
    "xml": (b'<?xml version="1.0"?>\n<rss></rss>', "XML"),
    "yaml": (b"manifest: a.csv\nprovider: gemini\ncolumns:\n  id: SKU\n", "YAML"),
    "yaml-list": (b"---\n- prompt: a cup, red\n- prompt: a mug\n", "YAML"),
}
EXCEL = zipped("[Content_Types].xml", "xl/workbook.xml")
JSON = b'[\n  {"id": 1, "prompt": "a"}\n]\n'


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("name", KINDS)
def test_other_content_under_the_name_of_a_table_is_named(
    make_job: MakeJob, name: str, suffix: str
) -> None:
    content, words = KINDS[name]

    with pytest.raises(SpecError) as caught:
        Manifest.open(make_job(content, f"products{suffix}"))

    assert str(caught.value).startswith(f"products{suffix} is {words}")
    expected = {".csv": "CSV", ".parquet": "Parquet"}[suffix]
    assert f", not {expected}: " in str(caught.value)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".xlsx", ".txt", ".data"])
@pytest.mark.parametrize(
    ("content", "notice"),
    [
        pytest.param(parquet(), "a Parquet table, whatever", id="parquet"),
        pytest.param(JSON, "JSON, whatever its name says", id="json"),
        pytest.param(
            b'{"prompt": "a"}\n{"id": 2}\n', "JSON Lines, whatever", id="json-lines"
        ),
        pytest.param(
            gzip.compress(JSON, mtime=0), "JSON, whatever its name says", id="gzip"
        ),
    ],
)
def test_certain_content_is_read_under_any_name_and_said(
    make_job: MakeJob, suffix: str, content: bytes, notice: str
) -> None:
    manifest = Manifest.open(make_job(content, f"products{suffix}"))

    assert next(iter(manifest.slices())).rows[0].prompt == "a"
    is_right_name = content == parquet() and suffix == ".parquet"
    about_names = [text for text in manifest.notices if "whatever its name" in text]
    if is_right_name:
        assert not about_names
    else:
        (first,) = about_names
        assert first.startswith(f"products{suffix} is {notice}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param(
            "m.parquet",
            CSV,
            "m.parquet is a text table (CSV), not Parquet: rename it to end with .csv",
            id="csv-called-parquet",
        ),
        pytest.param(
            "m.csv",
            b'manifest = "a.csv"\nprovider = "gemini"\n\n[columns]\nid = "SKU"\n',
            "m.csv is a job file (TOML), not CSV: rename it to end with .toml",
            id="toml-called-csv",
        ),
    ],
)
def test_a_table_under_the_wrong_name_is_to_be_renamed(
    make_job: MakeJob, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        Manifest.open(make_job(content, name))

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        pytest.param("p.data", CSV, "rename it to end with .csv", id="csv"),
        pytest.param("p.docx", KINDS["word"][0], "p.docx is a Word document", id="w"),
        pytest.param("p", KINDS["gzip"][0], "unpack it first", id="gz"),
        pytest.param("job.yaml", KINDS["yaml"][0], "job.yaml is YAML", id="yaml"),
    ],
)
def test_a_name_that_is_not_read_is_refused_by_what_the_file_is(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(SpecError) as caught:
        load_job(tmp_path / name, provider="gemini")

    assert "neither a job file (.toml) nor a manifest" in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(KINDS["yaml"][0], "is YAML, not a job file", id="yaml"),
        pytest.param(JSON, "is JSON, not a job file", id="json"),
        pytest.param(CSV, "is a text table (CSV), not a job file: rename it", id="csv"),
        pytest.param(parquet(), "is a Parquet table, not a job file", id="parquet"),
        pytest.param(EXCEL, "is an Excel workbook, not a job", id="excel"),
    ],
)
def test_a_job_file_that_is_something_else_is_named(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "job.toml").write_bytes(content)

    with pytest.raises(SpecError) as caught:
        load_job(tmp_path / "job.toml")

    assert words in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"ORCID,prompt\n1,a\n", id="orcid"),
        pytest.param(b"PAR1,prompt\n1,a\n", id="letters-of-parquet"),
        pytest.param(b"[id],[prompt]\n1,a\n", id="brackets"),
        pytest.param(b"name: x,prompt\na: b,c\n", id="colons"),
        pytest.param(b"prompt,x\na = b,1\n", id="equals"),
        pytest.param(b"prompt,x\n" + b"caf\xe9,1\n", id="another-encoding"),
    ],
)
def test_a_csv_is_not_taken_for_anything_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(content)

    assert kind_of(path) == "a text table (CSV)"
