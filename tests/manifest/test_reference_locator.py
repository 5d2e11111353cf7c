"""Which references a row may have, by where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchgen.manifest.parents import NO_PARENTS
from batchgen.manifest.reference_locator import ReferenceLocator
from batchgen.model import ReferenceTerms
from tests.manifest.conftest import MakeJob, ReadRows


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the manifest's folder, with files within and around it."""
    inside = tmp_path / "inside"
    for path in (inside / "sub", tmp_path / "beside"):
        path.mkdir(parents=True)
    for name in ("inside/a.png", "inside/sub/b.png", "beside/c.png", "inside/%41.png"):
        (tmp_path / name).write_bytes(b"image")
    (inside / "out.png").symlink_to(tmp_path / "beside" / "c.png")
    (inside / "away").symlink_to(tmp_path / "beside", target_is_directory=True)
    (inside / "in.png").symlink_to("sub/b.png")
    (tmp_path / "beside" / "back.png").symlink_to(inside / "a.png")
    (inside / "ring.png").symlink_to("ring.png")
    return inside


def message(read_rows: ReadRows, reference: str, **settings: object) -> str | None:
    """Return what is wrong with a row's reference; the manifest lies in `inside`."""
    content = f'prompt,image\na,"{reference}"\n'
    (row,) = read_rows(content, name="inside/m.csv", **settings)
    assert row.problem is None or row.problem.column == "image"
    assert (row.problem is None) is (row.request is not None)
    return row.problem.message if row.problem else None


@pytest.mark.parametrize(
    "reference",
    [
        pytest.param("a.png", id="beside-the-manifest"),
        pytest.param("sub/b.png", id="below"),
        pytest.param("sub/../a.png", id="up-and-down"),
        pytest.param("in.png", id="link-within"),
        pytest.param("../beside/back.png", id="link-back-in"),
        pytest.param("%41.png", id="percent-in-the-name"),
        pytest.param("https://a.example/x.png?a=1", id="url"),
        pytest.param("HTTP://a.example/x.png", id="url-in-capitals"),
        pytest.param("data:image/png;base64,iVBORw0KGgo=", id="data-uri"),
    ],
)
def test_what_lies_in_the_folder_or_on_the_web_is_taken(
    read_rows: ReadRows, folder: Path, reference: str
) -> None:
    assert message(read_rows, reference) is None


def test_an_absolute_path_within_the_folder_is_taken(
    read_rows: ReadRows, folder: Path
) -> None:
    assert message(read_rows, str(folder / "a.png")) is None


@pytest.mark.parametrize(
    "reference",
    [
        pytest.param("../beside/c.png", id="up"),
        pytest.param("sub/../../beside/c.png", id="down-and-up"),
        pytest.param("out.png", id="link-to-outside"),
        pytest.param("away/c.png", id="through-a-folder-link"),
        pytest.param("../inside2/a.png", id="same-beginning"),
        pytest.param("../beside/gone.png", id="outside-and-missing"),
        pytest.param("/etc/passwd", id="absolute"),
        pytest.param("//etc/passwd", id="two-slashes"),
        pytest.param("..", id="the-folder-above"),
    ],
)
def test_what_lies_outside_is_refused_with_the_way_out(
    read_rows: ReadRows, folder: Path, reference: str
) -> None:
    assert message(read_rows, reference) == (
        f"{reference} lies outside {folder}, where files may be; `folder` under "
        "[references] in a job file sets it"
    )


def test_a_file_outside_is_not_even_opened(make_job: MakeJob, folder: Path) -> None:
    opened = []

    def contents(reference: str) -> str:
        opened.append(reference)
        return "digest"

    job = make_job("prompt\na\n", name="inside/m.csv")
    locator = ReferenceLocator(job, contents, NO_PARENTS)

    assert "lies outside" in str(locator.problem("../beside/c.png"))
    assert locator.problem("a.png") is None
    assert opened == ["a.png"]


def test_the_job_can_allow_another_folder(read_rows: ReadRows, folder: Path) -> None:
    terms = ReferenceTerms(folder=folder.parent / "beside")

    allowed = message(read_rows, "../beside/c.png", references=terms)
    refused = message(read_rows, "a.png", references=terms)

    assert allowed is None
    assert str(refused).startswith(f"a.png lies outside {folder.parent / 'beside'},")


def test_an_allowed_folder_may_be_reached_by_a_link(
    read_rows: ReadRows, folder: Path
) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder, target_is_directory=True)

    terms = ReferenceTerms(folder=link)

    assert message(read_rows, "a.png", references=terms) is None


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        pytest.param("gone.png", "a URL begins with https://", id="missing"),
        pytest.param(
            "nan",
            "nan (it stands for a missing value; empty the cell",
            id="missing-value",
        ),
        pytest.param(
            "https://a.example/x?key=a|b",
            "no such file: b (a path is read from the manifest's folder, a URL begins "
            "with https://); | parts references; write %7C for one that belongs to a",
            id="bar-in-a-url",
        ),
        pytest.param("sub", "sub is a folder: name the file of an image", id="folder"),
        pytest.param("ring.png", "no such file: ring.png", id="ring-of-links"),
        pytest.param("x" * 5000, "no such file: xxx", id="too-long"),
        pytest.param(
            "my%20logo.png",
            "no such file: my%20logo.png (a path is written as it is, without "
            "%-codes: my logo.png)",
            id="percent-encoded",
        ),
        pytest.param(
            "file:///tmp/a.png", "write the path alone, without file:", id="file-url"
        ),
        pytest.param("ftp://a.example/x", "is no http(s) URL, no data URI", id="ftp"),
        pytest.param("s3://bucket/x.png", "is no http(s) URL, no data URI", id="s3"),
        pytest.param("note:a.png", "begins with ./", id="colon"),
        pytest.param("https:///x.png", "has no host, as in https://", id="no-host"),
        pytest.param(
            "https://[x/y.png", "has the host '[x', which is no", id="bad-host"
        ),
        pytest.param("data:image/png;base64", "without a comma", id="cut-data-uri"),
        pytest.param(
            r"C:\pictures\a.png",
            "paths are written with / and read from the manifest's folder, as in "
            "pictures/a.png",
            id="drive-letter",
        ),
        pytest.param(r"sub\gone.png", "as in sub/gone.png", id="backslash"),
        pytest.param("~/a.png", "~ is not read as your home folder", id="home"),
        pytest.param(
            "www.a.example/x.png",
            "a URL begins with https://, as in https://www.a.example/x.png",
            id="no-scheme",
        ),
        pytest.param(
            "a.example:8080/x.png", "begins with https://", id="no-scheme-port"
        ),
        pytest.param("localhost:8000/x", "begins with https://", id="localhost"),
        pytest.param("//cdn.example/x.png", "begins with https://", id="no-scheme-//"),
        pytest.param("sub/gone.png", "read from the manifest's folder", id="below"),
        pytest.param("a.png, sub/b.png", "several paths are parted by |", id="commas"),
        pytest.param("a\u200b.png", "it holds an invisible character", id="hidden"),
        pytest.param("\ufeffa.png", "(byte order mark, U+FEFF)", id="bom"),
        pytest.param("“a.png", "take away the “ before it", id="half-of-quotes"),
        pytest.param(
            '=IMAGE(""https://a.example/x.png"")',
            "a formula or markup is not read: write https://a.example/x.png alone",
            id="formula",
        ),
        pytest.param(
            '<img src=""https://a.example/x.png"">',
            "a formula or markup is not read: write https://a.example/x.png alone",
            id="markup",
        ),
        pytest.param("https:/a.example/x", "write https:// and then", id="one-slash"),
        pytest.param(
            r"https:\\a.example\x", "write https:// and then", id="backslashes"
        ),
        pytest.param("blob:https://a.example/1", "is no http(s) URL", id="blob"),
        pytest.param("about:blank", "is no http(s) URL", id="about"),
        pytest.param(
            "data:image/png;base64,AA\u200bAA",
            "holds an invisible character (zero width space, U+200B) at character 25",
            id="hidden-in-a-data-uri",
        ),
    ],
)
def test_what_cannot_be_had_is_refused_in_words(
    read_rows: ReadRows, folder: Path, reference: str, words: str
) -> None:
    assert words in str(message(read_rows, reference))


def test_data_uris_stand_in_a_list_beside_others(
    read_rows: ReadRows, folder: Path
) -> None:
    references = ("data:image/png;base64,iVBO+/8=", "a.png", "data:,%7Cx;y")

    content = f'prompt,references\na,"{" | ".join(references)}"\n'
    (row,) = read_rows(content, name="inside/m.csv")

    assert row.request is not None
    assert row.request.references == references
