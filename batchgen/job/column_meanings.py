"""Tell from names and values what the columns of a stranger's table are for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from batchgen.addresses import is_local, is_url
from batchgen.manifest.reference_cell import split_references
from batchgen.manifest.survey import ColumnSurvey

_SEPARATORS = re.compile(r"[\W_]+")
_IMAGE_FILE = re.compile(r"\.(png|jpe?g|webp|gif|avif|bmp|tiff?|heic)$", re.IGNORECASE)
_IMAGE_NAME = re.compile(
    r"image|\bimg|photo|foto|picture|\bpic\b|bild|thumbnail|referen[cz]e|immagine|"
    r"imagen|imagem|afbeelding"
)
_NOT_AN_IMAGE = re.compile(
    r"\b(alt|text|position|count|title|name|caption|id|nr|width|height)\b"
)

_PROMPTS = (
    *("prompt", "image prompt", "prompt text", "text prompt", "positive prompt"),
    *("prompts", "bildprompt"),
)
_LIKELY_PROMPTS = ("text", "caption", "instruction", "instructions", "scene")
_MIN_WORDS = 4
"""Words of a likely prompt, on the average; with fewer the column holds names."""
_TITLES = (
    *("title", "product title", "product name", "name", "item name", "product"),
    *("bezeichnung", "artikelbezeichnung", "produktbezeichnung", "produktname"),
    *("artikelname", "titel", "produkt", "titre", "nom", "nombre", "titulo", "titolo"),
    *("nome", "naam", "headline", "label", "designation", "subject"),
)
_DESCRIPTIONS = (
    *("description", "short description", "body html", "body", "beschreibung"),
    *("kurzbeschreibung", "artikelbeschreibung", "langtext", "descripcion", "text"),
    *("descrizione", "caption", "details"),
)
_DETAILS = (
    *("colour", "color", "farbe", "ausfuhrung", "ausführung", "variante", "variant"),
    *("option1 value", "material", "materials", "finish", "style"),
)
_GROUPS = (
    *("brand", "vendor", "manufacturer", "marke", "hersteller", "category"),
    *("categories", "product type", "warengruppe", "kategorie", "collection", "view"),
    "type",
)
_KINDS_OF_ROWS = frozenset(("simple", "variable", "variation", "grouped", "external"))
"""WooCommerce's types: they say nothing about the product."""
_IDS = (
    *("sku", "variant sku", "id", "artikelnummer", "artikel nr", "art nr", "item id"),
    *("artikelnr", "handle", "product id", "gtin", "ean", "asin", "isbn", "mpn"),
    *("item number", "item no", "part number", "product code", "code", "slug", "uuid"),
    *("key", "nr", "number", "nummer", "no", "bestellnummer", "referenz", "reference"),
    *("referencia", "codigo", "barcode"),
)
GERMAN = frozenset(
    (
        *("bezeichnung", "artikelbezeichnung", "produktbezeichnung", "produktname"),
        *("artikelname", "titel", "produkt"),
    )
)
"""Names of titles by which a German table is known."""

_MIN_DISTINCT = 0.9
"""A column may repeat a few values by mistake, and be the id nevertheless."""
_MAX_ID_CHARACTERS = 100
_MIN_IMAGES = 0.8
"""Values of a column that must look like images; some cells hold `n/a` or notes."""


def plain(name: str) -> str:
    """Return a name in lower case, with single blanks in place of signs."""
    return _SEPARATORS.sub(" ", name.casefold()).strip()


def find_prompt(columns: Sequence[ColumnSurvey]) -> ColumnSurvey | None:
    """Return the column that holds finished prompts, if there is one.

    A table that has nothing but one column of texts is a list of prompts.
    """
    by_name = next(_named(columns, _PROMPTS), None)
    likely = next(filter(_is_long, _named(columns, _LIKELY_PROMPTS)), None)
    only = columns[0] if len(columns) == 1 and _is_wordy(columns[0]) else None
    return by_name or likely or only


def find_title(columns: Sequence[ColumnSurvey]) -> ColumnSurvey | None:
    """Return the column that says in a few words what the image shows."""
    by_name = next(_named(columns, _TITLES), None) or next(
        _named(columns, _DESCRIPTIONS), None
    )
    return by_name or max(
        (column for column in columns if _is_wordy(column)),
        key=lambda column: (column.filled, column.distinct),
        default=None,
    )


def find_description(columns: Sequence[ColumnSurvey]) -> ColumnSurvey | None:
    """Return the column with a longer text, if there is one."""
    return next(_named(columns, _DESCRIPTIONS), None)


def find_details(columns: Sequence[ColumnSurvey]) -> list[ColumnSurvey]:
    """Return columns with colour, material and the like, at most two."""
    candidates = _named(columns, _DETAILS)
    return [column for column in candidates if _is_short(column)][:2]


def find_group(columns: Sequence[ColumnSurvey]) -> ColumnSurvey | None:
    """Return a column that sorts the rows into a few groups, for folders."""
    candidates = _named(columns, _GROUPS)
    is_group = (
        column
        for column in candidates
        if column.filled >= _MIN_DISTINCT
        and len(set(column.texts)) > 1
        and _is_short(column)
        and not _KINDS_OF_ROWS.issuperset(column.texts)
    )
    return next(is_group, None)


def find_id(columns: Sequence[ColumnSurvey]) -> ColumnSurvey | None:
    """Return the column that names the rows: filled, and with hardly a repetition.

    A column `id` is read as the id in any case.
    """
    standard = [column for column in columns if column.name == "id"]
    if standard:
        return standard[0]
    candidates = [
        column
        for column in _named(columns, _IDS)
        if all(len(text) <= _MAX_ID_CHARACTERS for text in column.texts)
    ]
    unique = (column for column in candidates if column.distinct == 1)
    nearly = (column for column in candidates if column.distinct >= _MIN_DISTINCT)
    return next(unique, None) or next(nearly, None)


def find_images(columns: Sequence[ColumnSurvey], folder: Path) -> list[ColumnSurvey]:
    """Return the columns with reference images, in the order of the table.

    Args:
        columns: All of them.
        folder: Of the table: paths are relative to it.
    """
    return [column for column in columns if _holds_images(column, folder)]


def are_there(column: ColumnSurvey, folder: Path) -> bool:
    """Tell whether images of a column can be used: URLs, or files that exist."""
    paths = [text for text in column.texts if not is_url(text)]
    return not paths or any((folder / path).is_file() for path in paths)


def _named(
    columns: Sequence[ColumnSurvey], names: Sequence[str]
) -> Iterator[ColumnSurvey]:
    """Yield filled columns with one of these names, in the order of the names."""
    by_name: dict[str, ColumnSurvey] = {}
    for column in columns:
        if column.texts:
            by_name.setdefault(plain(column.name), column)
    return (by_name[name] for name in names if name in by_name)


def _is_wordy(column: ColumnSurvey) -> bool:
    texts = column.texts
    words = sum(bool(re.search(r"[^\W\d_]{3}", text)) for text in texts)
    addresses = sum(map(is_url, texts))
    return bool(texts) and words > len(texts) / 2 and addresses < len(texts) / 2


def _is_long(column: ColumnSurvey) -> bool:
    words = sum(len(text.split()) for text in column.texts)
    return words >= _MIN_WORDS * len(column.texts)


def _is_short(column: ColumnSurvey) -> bool:
    return all(len(text) <= 60 for text in column.texts)


def _holds_images(column: ColumnSurvey, folder: Path) -> bool:
    if column.holds_images:
        return True
    name = plain(column.name)
    has_name = bool(_IMAGE_NAME.search(name)) and not _NOT_AN_IMAGE.search(name)
    likely = sum(_is_image(text, folder, has_name=has_name) for text in column.texts)
    return bool(column.texts) and likely >= _MIN_IMAGES * len(column.texts)


def _is_image(text: str, folder: Path, *, has_name: bool) -> bool:
    try:
        references = split_references(text, lambda path: (folder / path).is_file())
    except (ValueError, OSError):
        return False
    return bool(references) and all(
        _is_image_address(reference, has_name=has_name) for reference in references
    )


def _is_image_address(reference: str, *, has_name: bool) -> bool:
    if is_url(reference):
        try:
            path = urlsplit(reference).path
        except ValueError:
            return False
        return has_name or _IMAGE_FILE.search(path) is not None
    is_file = _IMAGE_FILE.search(reference.strip()) is not None
    return is_local(reference) and is_file
