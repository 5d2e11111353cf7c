"""Settings of the table, its prompts and its images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypedDict

from batchgen.job.declaration import Setting
from batchgen.job.table_values import DELIMITER, ENCODING, POSITIONS, TABLES
from batchgen.job.values import (
    FILE_NAME,
    NAMES,
    PATH,
    RATIO,
    RESOLUTION,
    TABLE,
    TABLE_FORMATS,
    TEMPLATE,
    TEXT,
    whole,
)
from batchgen.manifest.cell_values import MAX_IMAGES
from batchgen.model.job import Empty, Unsupported

_OWN_CELL = "for rows whose own cell is empty"
_BY_PROVIDER = "the provider's"


class RowSettings(TypedDict, total=False):
    """What to make."""

    manifest: Annotated[
        str | Path | Sequence[str | Path],
        Setting(
            value=TABLES,
            meaning="your table, in any of the forms of [manifest.md](manifest.md); a "
            "list of files, or a pattern such as `parts/*.csv`, is read as one table",
            default="must be there",
            example="products.csv",
        ),
    ]
    encoding: Annotated[
        str,
        Setting(
            value=ENCODING,
            meaning="encoding of a text table, such as `windows-1252`",
            default="found out",
            metavar="NAME",
            help="Encoding of the table, such as windows-1252; found out by default.",
            example="windows-1252",
        ),
    ]
    delimiter: Annotated[
        str,
        Setting(
            value=DELIMITER,
            meaning="what parts the cells of a text table: one character, or `tab`",
            default="found out",
            metavar="CHARACTER",
            help="What parts the cells of a text table, such as ; or tab; found out by "
            "default.",
            example=";",
        ),
    ]
    sheet: Annotated[
        str,
        Setting(
            value=TEXT,
            meaning="sheet of a workbook, by its name",
            default="the first with cells",
            metavar="NAME",
            help="Sheet of a workbook; the first with cells by default.",
            example="Products",
        ),
    ]
    out: Annotated[
        str | Path,
        Setting(
            value=PATH,
            meaning="the run folder; a rehearsal adds `-rehearsal` to its name, unless "
            "you give `--out`",
            default="`out/NAME`, where you are; NAME is that of the job file",
            metavar="DIR",
            help="The run folder.",
            example="out/products",
        ),
    ]
    table: Annotated[
        str | Sequence[str],
        Setting(
            value=TABLE_FORMATS,
            meaning="formats in which the result table stands beside "
            '`results.parquet` ([results.md](results.md)); `"parquet"` for no other',
            default="those of the last run",
            field="table_formats",
            metavar="FORMAT[,FORMAT]",
            help="Write the result table as csv, xlsx or jsonl, too.",
            example=["csv", "xlsx"],
        ),
    ]
    prompt: Annotated[
        str,
        Setting(
            value=TEMPLATE,
            meaning="the prompt of each row, as a Jinja2 template over the row's "
            "columns",
            default="the column `prompt`",
            metavar="TEMPLATE",
            help="Text with columns in it (Jinja2), such as 'Photo of {{ title }}'.",
            example="Studio photo of {{ name }}",
        ),
    ]
    columns: Annotated[
        Mapping[str, str],
        Setting(
            value=TABLE,
            meaning="your names of known columns, as a section `[columns]`: "
            '`prompt = "Description"`; on the command line prompt=Description, once '
            "for each",
            default="none",
            metavar="NAME=COLUMN",
            help="Your name of a known column, such as prompt=Description; may be "
            "repeated.",
            multiple=True,
            example={"id": "SKU", "prompt": "Description"},
        ),
    ]
    id_column: Annotated[
        str,
        Setting(
            value=TEXT,
            meaning="column that names the rows, whatever else is edited",
            default="the column `id`",
            section="columns",
            key="id",
            flag="--id",
            metavar="COLUMN",
            help="Column that names the rows, whatever else is edited.",
            example="SKU",
        ),
    ]
    reference_columns: Annotated[
        str | Sequence[str],
        Setting(
            value=NAMES,
            meaning="columns with reference images; a row sends the images of all of "
            'them, in this order: `references = ["IMAGE1", "IMAGE2"]`',
            default="`references`, or another of its names "
            "([manifest.md](manifest.md))",
            section="columns",
            key="references",
            flag="--references",
            metavar="COLUMN[,COLUMN]",
            help="Columns with reference images: URLs, or paths of files.",
            example=["IMAGE1", "IMAGE2"],
        ),
    ]
    filename: Annotated[
        str,
        Setting(
            value=FILE_NAME,
            meaning="the name of each row's images, as a Jinja2 template over the "
            "row's columns; `/` makes folders ([manifest.md](manifest.md))",
            default="the column `filename`, else the id",
            metavar="TEMPLATE",
            help="Name of the images, such as '{{ brand }}/{{ sku }}-{{ aspect_ratio | "
            "slug }}'.",
            example="{{ brand }}/{{ sku }}-{{ aspect_ratio | slug }}",
        ),
    ]
    aspect_ratio: Annotated[
        str,
        Setting(
            value=RATIO,
            meaning=_OWN_CELL,
            default=_BY_PROVIDER,
            metavar="W:H",
            help="Default for empty cells.",
            example="16:9",
        ),
    ]
    resolution: Annotated[
        str,
        Setting(
            value=RESOLUTION,
            meaning=_OWN_CELL,
            default=_BY_PROVIDER,
            help="512, 1K, 2K or 4K: default for empty cells.",
            example="2K",
        ),
    ]
    n: Annotated[
        int,
        Setting(
            value=whole(1, MAX_IMAGES),
            meaning=f"images of a row, {_OWN_CELL}",
            default="1",
            help="Images of a row: default for empty cells.",
            example=2,
        ),
    ]
    dedupe: Annotated[
        bool,
        Setting(
            meaning="buy rows that ask for the same once; the others get the same "
            "files, cost 0, and the column `shared_with` names the row that was bought",
            help="Buy rows with the same prompt and options once; the others point "
            "to those images.",
            example=True,
        ),
    ]
    empty: Annotated[
        Empty,
        Setting(
            meaning="what to do with rows that lack a value which the template uses "
            "([manifest.md](manifest.md))",
            default="ask where many",
            help="Rows that lack a value which the template uses: buy them all the "
            "same, or leave them out.",
            example="skip",
        ),
    ]
    limit: Annotated[
        int,
        Setting(
            value=whole(1),
            meaning="only the first N rows of the table, or of those that are chosen; "
            "the others stay `pending`",
            default="all rows",
            help="Only the first N rows, of those that are chosen.",
            example=20,
        ),
    ]
    where: Annotated[
        str,
        Setting(
            value=TEXT,
            meaning="only rows that fulfil a condition in SQL over the table's columns "
            "([which-rows.md](which-rows.md))",
            default="all rows",
            metavar="SQL",
            help="Only rows such as \"brand = 'Brio' and stock > 0\".",
            example="brand = 'Brio' and stock > 0",
        ),
    ]
    rows: Annotated[
        str,
        Setting(
            value=POSITIONS,
            meaning="only these rows, counted from 0 as in all messages and in the "
            "column `row` of the result table",
            default="all rows",
            metavar="ROWS",
            help="Only these rows, such as 10-20,35; counted from 0, as messages do.",
            example="10-20,35",
        ),
    ]
    ids: Annotated[
        str | Path,
        Setting(
            value=PATH,
            meaning="only rows whose id stands in this file: one a line, or a table "
            "with a column `id`",
            default="all rows",
            metavar="FILE",
            help="Only rows whose id stands in FILE, one a line.",
            example="chosen.txt",
        ),
    ]
    first_by: Annotated[
        str,
        Setting(
            value=TEXT,
            meaning="of these rows, only the first with each value of a column",
            default="all rows",
            metavar="COLUMN",
            help="Of these, only the first row with each value of COLUMN.",
            example="handle",
        ),
    ]
    sample: Annotated[
        int,
        Setting(
            value=whole(1),
            meaning="of these rows, only N at random",
            default="all rows",
            help="Of these, only N rows at random.",
            example=20,
        ),
    ]
    sample_seed: Annotated[
        int,
        Setting(
            value=whole(0),
            meaning="which rows `sample` takes: the same number, the same rows",
            help="Which rows --sample takes (default 0).",
            example=1,
        ),
    ]
    unsupported: Annotated[
        Unsupported,
        Setting(
            meaning="a row with an option that its provider lacks is invalid, or is "
            "bought without that option, with a warning",
            example="drop",
        ),
    ]
    reference_folder: Annotated[
        str | Path,
        Setting(
            value=PATH,
            meaning="files of reference images must lie below it",
            default="the manifest's folder",
            section="references",
            key="folder",
            field="folder",
            example="photos",
        ),
    ]
    shrink_references: Annotated[
        bool,
        Setting(
            meaning="re-encode or scale down what is over the provider's limit, which "
            "else makes the row invalid",
            section="references",
            key="shrink",
            field="shrink",
            example=True,
        ),
    ]


class ColumnSettings(TypedDict, total=False):
    """Values of columns that the table does not have."""

    expand: Annotated[
        Mapping[str, object],
        Setting(
            value=TABLE,
            meaning="make several rows of each: all combinations of the values of "
            "these columns ([more-images.md](more-images.md))",
            example={"aspect_ratio": ["1:1", "16:9"], "background": ["white", "oak"]},
        ),
    ]
    options: Annotated[
        Mapping[str, object],
        Setting(
            value=TABLE,
            meaning="value for rows whose own cell is empty",
            example={"temperature": 0.5, "web_search": True},
        ),
    ]
