"""Options and templates that name a column which is not there, or name one wrongly."""

from __future__ import annotations

from tests.cli.mistakes.mistake import Mistake

_TABLE = {"m.csv": "SKU,Title,Image Src\na,Lamp,https://shop.test/a.png\n"}
_RUN = "run m.csv {shop} --prompt '{{ Title }}'"


def _mistake(
    name: str,
    options: str,
    names: tuple[str, ...],
    remedy: tuple[str, ...],
    code: int = 2,
) -> Mistake:
    return Mistake(
        name=name,
        command=f"{_RUN} {options}",
        names=names,
        remedy=remedy,
        code=code,
        files=_TABLE,
    )


COLUMN_OPTIONS = (
    _mistake(
        "id-in-another-case",
        "--id sku",
        ("`sku`", "--id"),
        ("did you mean `SKU`?",),
        code=1,
    ),
    _mistake(
        "id-that-no-column-is-like",
        "--id Artikelnummer",
        ("`Artikelnummer`", "--id"),
        ("SKU, Title, Image Src",),
        code=1,
    ),
    _mistake(
        "references-in-another-case",
        "--references image_src",
        ("`image_src`", "--references"),
        ("did you mean `Image Src`?",),
        code=1,
    ),
    _mistake(
        "references-of-several-one-is-missing",
        "--references 'Image Src,Image 2'",
        ("`Image 2`", "--references"),
        ("did you mean `Image Src`?",),
        code=1,
    ),
    _mistake(
        "references-empty",
        "--references ''",
        ("--references", "empty"),
        ("leave it out",),
    ),
    _mistake(
        "columns-without-equals-sign",
        "--columns Title",
        ("--columns", "'Title'"),
        ("prompt=Description",),
    ),
    _mistake(
        "columns-the-wrong-way-round",
        "--columns SKU=id",
        ("--columns", "first"),
        ("write id=SKU",),
    ),
    _mistake(
        "columns-of-an-unknown-name",
        "--columns picture=Title",
        ("--columns", "`picture`"),
        ("known are id, prompt, references",),
    ),
    _mistake(
        "columns-of-a-mistyped-name",
        "--columns aspect-ratio=Title",
        ("--columns", "`aspect-ratio`"),
        ("did you mean `aspect_ratio`?",),
    ),
    _mistake(
        "columns-twice",
        "--columns model=SKU --columns model=Title",
        ("`model`", "twice"),
        ("say one",),
    ),
    _mistake(
        "columns-that-the-table-lacks",
        "--columns model=titel",
        ("`titel`", "--columns"),
        ("did you mean `Title`?",),
        code=1,
    ),
    _mistake(
        "filename-empty",
        "--filename ' '",
        ("--filename", "empty"),
        ("leave it out", "after the id"),
    ),
    _mistake(
        "filename-of-a-column-in-another-case",
        "--filename '{{ title }}'",
        ("file name template", "`title`"),
        ("write {{ Title }}",),
        code=1,
    ),
    _mistake(
        "filename-of-a-column-with-a-blank",
        "--filename '{{ Image Src }}'",
        ("file name template", "line 1"),
        ('{{ row["Image Src"] }}',),
        code=1,
    ),
    _mistake(
        "filename-with-an-unknown-filter",
        "--filename '{{ Title | slugify }}'",
        ("file name template", "`slugify`"),
        ("did you mean `slug`?",),
        code=1,
    ),
    _mistake(
        "option-image-column",
        "--image-column 'Image Src'",
        ("--image-column",),
        ("--references COLUMN",),
    ),
    _mistake(
        "option-file-name",
        "--file-name '{{ SKU }}'",
        ("--file-name",),
        ("--filename",),
    ),
    _mistake(
        "option-map",
        "--map prompt=Title",
        ("--map",),
        ("--columns NAME=COLUMN",),
    ),
    Mistake(
        name="no-prompt-column-but-one-like-it",
        command="run m.csv {shop}",
        names=("no column `prompt`", "Prompt"),
        remedy=("--columns prompt=Prompt", "--prompt"),
        code=1,
        files={"m.csv": "id,Prompt\na,a lamp\n"},
    ),
    Mistake(
        name="budget-of-a-column-in-another-case",
        command="run j.toml {shop}",
        names=("`Brand`", "[budget.by]"),
        remedy=("did you mean `brand`?",),
        code=1,
        files={
            "m.csv": "prompt,brand\na lamp,Brio\n",
            "j.toml": 'manifest = "m.csv"\nmax_cost = 5\n[budget.by]\nBrand = 2\n',
        },
    ),
)
