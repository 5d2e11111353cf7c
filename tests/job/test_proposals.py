"""What is proposed for tables that the project has never seen."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from batchgen.job import job_from, load_job
from batchgen.job.proposal import Proposal, likely_provider, propose
from batchgen.job.proposal_text import Quote, job_text
from batchgen.manifest.survey import survey_table
from batchgen.model import Job

TABLES = Path(__file__).parents[2] / "samples" / "tables"
URL = "https://cdn.example.com"
FREE = Quote("nothing")

SHOPIFY = f"""Handle,Title,Body (HTML),Vendor,Option1 Name,Option1 Value,Variant SKU,\
Image Src,Image Position,Image Alt Text
cup,Cup,<p>fine</p>,Brio,Title,Default Title,,{URL}/files/1.jpg?v=2,1,a cup
mug,Mug,<p>large</p>,Nord,Colour,Red,,{URL}/files/2.jpg?v=2,1,a mug
mug,,,,,Blue,,{URL}/files/3.jpg?v=2,2,
"""
WOOCOMMERCE = f"""ID,Type,SKU,Name,Short description,Categories,Images
1,simple,A-1,Cup,fine,Kitchen,"{URL}/1.jpg, {URL}/2.jpg"
2,variable,A-2,Mug,large,Table,{URL}/3.jpg
"""
ETSY = f"""TITLE,DESCRIPTION,PRICE,MATERIALS,IMAGE1,IMAGE2,IMAGE3,SKU
Cup,A fine cup,9,oak,{URL}/1.jpg,{URL}/2.jpg,,E1
Mug,A large mug,9,,{URL}/3.jpg,,,E2
"""
MERCHANT = f"""id,title,description,link,image_link,additional_image_link,brand,color
1,Cup,A fine cup,https://shop.example.com/cup,{URL}/p?img=1,,Brio,red
2,Mug,A large mug,https://shop.example.com/mug,{URL}/p?img=2,,Nord,
"""
PROMPTS = "prompt\na red lamp on a table\na blue cup\n"
PAIRS = "name,text\nlamp,a red lamp on an oak table\ncup,a blue cup in the rain\n"
GERMAN = """Artikelnummer;Bezeichnung;Warengruppe;Farbe;Preis;Bild
0017;Becher;Küche;rot;9,00;bilder/1.png
0018;Teller;Bad;;7,00;bilder/2.png
"""


def proposal_for(folder: Path, table: str, provider: str = "gemini") -> Proposal:
    (folder / "bilder").mkdir(exist_ok=True)
    (folder / "bilder/1.png").write_bytes(b"")
    path = folder / "table.csv"
    path.write_text(table, encoding="utf-8")
    return propose(survey_table(path), provider)


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        pytest.param(SHOPIFY, {"references": "Image Src"}, id="shopify"),
        pytest.param(
            WOOCOMMERCE, {"id": "SKU", "references": "Images"}, id="woocommerce"
        ),
        pytest.param(ETSY, {"id": "SKU", "references": "IMAGE1"}, id="etsy"),
        pytest.param(MERCHANT, {"references": "image_link"}, id="merchant"),
        pytest.param(PROMPTS, {}, id="prompts"),
        pytest.param(PAIRS, {"prompt": "text"}, id="prompts-by-another-name"),
        pytest.param(
            GERMAN, {"id": "Artikelnummer", "references": "Bild"}, id="german"
        ),
    ],
)
def test_columns_are_recognised(
    tmp_path: Path, table: str, columns: dict[str, str]
) -> None:
    assert proposal_for(tmp_path, table).columns == columns


@pytest.mark.parametrize(
    ("table", "prompt", "filename"),
    [
        pytest.param(
            SHOPIFY,
            'Studio photo of {{ Title }}{% if row["Option1 Value"] and '
            'row["Option1 Value"] != "Default Title" %}, {{ row["Option1 Value"] }}'
            "{% endif %}, on",
            "{{ Title | slug }}",
            id="shopify",
        ),
        pytest.param(
            WOOCOMMERCE,
            "Studio photo of {{ Name }}, on",
            "{{ Categories | slug }}/{{ SKU | slug }}",
            id="woocommerce",
        ),
        pytest.param(
            ETSY,
            "Studio photo of {{ TITLE }}{% if MATERIALS %}, {{ MATERIALS }}{% endif %}",
            None,
            id="etsy",
        ),
        pytest.param(
            MERCHANT,
            "Studio photo of {{ title }}{% if color %}, {{ color }}{% endif %}, on",
            "{{ brand | slug }}/{{ id | slug }}",
            id="merchant",
        ),
        pytest.param(
            GERMAN,
            "Produktfoto: {{ Bezeichnung }}{% if Farbe %}, {{ Farbe }}{% endif %}, ",
            "{{ Warengruppe | slug }}/{{ Artikelnummer | slug }}",
            id="german",
        ),
    ],
)
def test_prompt_and_file_names_are_made_of_the_columns(
    tmp_path: Path, table: str, prompt: str, filename: str | None
) -> None:
    proposal = proposal_for(tmp_path, table)

    assert proposal.prompt is not None
    assert proposal.prompt.startswith(prompt)
    assert proposal.filename == filename


def test_a_list_of_prompts_is_taken_as_it_stands(tmp_path: Path) -> None:
    proposal = proposal_for(tmp_path, PROMPTS)

    assert proposal.settings().keys() == {"manifest", "provider"}


def test_an_address_of_a_page_is_no_image(tmp_path: Path) -> None:
    table = "name,link,note\ncup,https://shop.example.com/cup,x\n"

    assert "references" not in proposal_for(tmp_path, table).columns


def test_an_id_may_repeat_a_value_by_mistake_but_not_half_of_them(
    tmp_path: Path,
) -> None:
    rows = [f"S{number},cup {number}" for number in range(20)]
    once = "\n".join(["SKU,Name", *rows, "S3,cup"])
    often = "\n".join(["SKU,Name", *rows, *rows])

    assert proposal_for(tmp_path, once).id_column == "SKU"
    assert proposal_for(tmp_path, often).id_column is None


def test_files_count_as_images_where_they_are_there(tmp_path: Path) -> None:
    table = "Image,Name\nphotos/a.png,Cup\nphotos/b.png,Mug\n"

    before = proposal_for(tmp_path, table)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/b.png").write_bytes(b"")
    after = proposal_for(tmp_path, table)

    assert ("references" in before.columns, before.absent_images) == (False, ["Image"])
    assert (after.columns["references"], after.absent_images) == ("Image", [])
    assert before.prompt is not None
    assert "reference image" not in before.prompt
    assert '# references = "Image"' in job_text(
        before, tmp_path / "j.toml", Quote("nothing")
    )


def test_image_files_beside_the_folder_of_the_table_are_allowed(
    tmp_path: Path,
) -> None:
    for name in ("list", "photos/front"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "photos/front/a.png").write_bytes(b"")
    table = "Name,Photo\nCup,../photos/front/a.png\nMug,../photos/front/b.png\n"

    proposal = proposal_for(tmp_path / "list", table)

    assert proposal.images_folder == tmp_path / "photos/front"


def test_a_group_that_rows_lack_and_a_column_of_names_are_heeded(
    tmp_path: Path,
) -> None:
    rows = [
        f"S{number},cup,{'' if number == 3 else number % 4}" for number in range(20)
    ]
    table = "\n".join(["SKU,Name,Brand", *rows])
    named = "SKU,Name,Brand,filename\n1,cup,A,x\n2,mug,B,y\n"

    template = '{{ Brand | default("other") | slug }}/{{ SKU | slug }}'
    assert proposal_for(tmp_path, table).filename == template
    assert proposal_for(tmp_path, named).filename is None


def test_rows_without_a_title_are_left_out(tmp_path: Path) -> None:
    assert proposal_for(tmp_path, SHOPIFY).settings()["empty"] == "skip"
    assert "empty" not in proposal_for(tmp_path, MERCHANT).settings()


def test_further_images_are_named_and_not_sent(tmp_path: Path) -> None:
    assert proposal_for(tmp_path, ETSY).more_images == ["IMAGE2"]


@pytest.mark.parametrize("name", ["shopify", "woocommerce", "etsy", "german"])
def test_the_job_file_says_what_is_proposed(tmp_path: Path, name: str) -> None:
    proposal = propose(survey_table(TABLES / f"{name}.csv"), "gemini")
    place = tmp_path / "job.toml"

    place.write_text(job_text(proposal, place, FREE), encoding="utf-8")

    assert load_job(place) == job_from(proposal.settings(), source=place)


def test_lines_that_are_off_can_be_switched_on(tmp_path: Path) -> None:
    proposal = proposal_for(tmp_path, ETSY)
    text = job_text(proposal, tmp_path / "job.toml", FREE)
    keys = (
        *("prompt", "filename", "max_cost", "limit", "aspect_ratio", "references"),
        *("concurrency", "rpm"),
    )

    for key in keys:
        (line,) = [line for line in text.splitlines() if line.startswith(f"# {key} =")]
        others = [each for each in text.splitlines() if not each.startswith(f"{key} =")]
        switched = "\n".join(others).replace(line, line.removeprefix("# "))
        assert tomllib.loads(switched)


def test_a_provider_without_an_address_is_given_a_line_for_it(tmp_path: Path) -> None:
    texts = [
        job_text(
            proposal_for(tmp_path, ETSY, provider),
            tmp_path / "j.toml",
            Quote("nothing"),
        )
        for provider in ("gccai", "gemini")
    ]

    assert ["# base_url = " in text for text in texts] == [True, False]


@pytest.mark.parametrize(
    "title",
    ['Kid\'s "Title"', "Größe (\u00fc)", "a\\b", 'row["x"]', "{{ x }}"],
)
def test_odd_names_of_columns_come_through(tmp_path: Path, title: str) -> None:
    quoted = title.replace('"', '""')
    proposal = proposal_for(tmp_path, f'sku,"{quoted}"\n1,a red cup\n2,a blue mug\n')
    place = tmp_path / "job.toml"

    place.write_text(job_text(proposal, place, FREE), encoding="utf-8")
    job: Job = load_job(place)

    assert job.prompt == proposal.prompt
    assert title in (job.prompt or "")


def test_a_provider_whose_key_is_set_comes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert likely_provider() == "gemini"
    monkeypatch.setenv("OPENAI_API_KEY", "x")

    assert likely_provider() == "openai"
    assert likely_provider("foxapi") == "foxapi"
