"""Propose a job for a table: mapping, prompt, file names, provider."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from batchgen.addresses import is_local
from batchgen.job.column_meanings import (
    GERMAN,
    are_there,
    find_description,
    find_details,
    find_group,
    find_id,
    find_images,
    find_prompt,
    find_title,
    plain,
)
from batchgen.manifest.spelling import spelled
from batchgen.manifest.survey import ColumnSurvey, Survey
from batchgen.providers import PROVIDERS, key_variable

FALLBACK_PROVIDER = "gemini"
_NO_VARIANT = "Default Title"
"""Shopify writes this as the option of a product that has no variants."""

_ENGLISH: Mapping[str, str] = MappingProxyType(
    {
        "photo": "Studio photo of ",
        "background": ", on a plain light background, soft shadow.",
        "reference": " Keep shape, colours and labels as in the reference image.",
    }
)
_GERMAN: Mapping[str, str] = MappingProxyType(
    {
        "photo": "Produktfoto: ",
        "background": ", heller, schlichter Hintergrund, weicher Schatten.",
        "reference": " Form, Farben und Aufschriften wie auf dem Referenzbild.",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A job that fits a table.

    Attributes:
        table: The table.
        id_column: The column that names the rows; None where none can.
        columns: The table's names of known columns, where they differ.
        more_images: Columns with further reference images.
        absent_images: Columns with names of image files that are not there.
        images_folder: Below which the reference images lie; None for the table's.
        prompt: None where a column holds it.
        longer_prompt: The same with the description; None without one.
        filename: None for names after the id.
        has_gaps: Whether rows lack the value that says what to show.
    """

    table: Path
    provider: str
    id_column: str | None
    columns: Mapping[str, str]
    prompt: str | None
    longer_prompt: str | None = None
    filename: str | None = None
    more_images: Sequence[str] = ()
    absent_images: Sequence[str] = ()
    images_folder: Path | None = None
    has_gaps: bool = False
    max_cost: str | None = None

    def settings(self) -> dict[str, Any]:
        """Return the job's settings, by their names."""
        empty = "skip" if self.has_gaps else None
        values = {
            "manifest": self.table,
            "provider": self.provider,
            "columns": dict(self.columns) or None,
            "prompt": self.prompt,
            "filename": self.filename,
            "reference_folder": self.images_folder,
            "empty": empty,
            "max_cost": self.max_cost,
        }
        return {name: value for name, value in values.items() if value is not None}


def propose(survey: Survey, provider: str) -> Proposal:
    """Propose a job for a table.

    Args:
        survey: Of the table.
        provider: Who makes the images.
    """
    columns = survey.columns
    folder = survey.path.resolve().parent
    candidates = find_images(columns, folder)
    images = [column for column in candidates if are_there(column, folder)]
    others = [column for column in columns if column not in candidates]
    row_id, prompt = find_id(others), find_prompt(columns)
    usable = [column for column in others if column is not row_id]
    title = prompt or find_title(usable)
    mapping = {
        standard: column.name
        for standard, column in (
            ("id", row_id),
            ("prompt", prompt),
            ("references", images[0] if images else None),
        )
        if column is not None and column.name != standard
    }
    template, longer = None, None
    if prompt is None and title is not None:
        template, longer = _templates(usable, title, has_images=bool(images))
    return Proposal(
        table=survey.path,
        provider=provider,
        id_column=row_id.name if row_id else None,
        columns=mapping,
        prompt=template,
        longer_prompt=longer,
        filename=None
        if "filename" in survey.names
        else _file_name(others, row_id, None if prompt else title),
        more_images=[column.name for column in images[1:]],
        absent_images=[each.name for each in candidates if each not in images],
        images_folder=_images_folder(images[0], folder) if images else None,
        has_gaps=title is not None and title.filled < 1,
    )


def likely_provider(provider: str | None = None) -> str:
    """Return a provider to propose: the stated one, or one whose key is set."""
    if provider is not None:
        return provider
    with_keys = (name for name in PROVIDERS if os.environ.get(key_variable(name)))
    return next(with_keys, FALLBACK_PROVIDER)


def _templates(
    columns: Sequence[ColumnSurvey], title: ColumnSurvey, *, has_images: bool
) -> tuple[str, str | None]:
    """Return a template, and one with the description."""
    words = _GERMAN if plain(title.name) in GERMAN else _ENGLISH
    details = [column for column in find_details(columns) if column is not title]
    subject = words["photo"] + spelled(title.name) + "".join(map(_detail, details))
    ending = words["background"] + (words["reference"] if has_images else "")
    description = find_description(columns)
    if description is None or description is title:
        return subject + ending, None
    excerpt = f"({_expression(description)} | striptags | truncate(200))"
    longer = f"{subject}{ending} {{{{ {excerpt} }}}}"
    return subject + ending, longer


def _detail(column: ColumnSurvey) -> str:
    """Return the part of a template with a value that a row may lack."""
    value = _expression(column)
    condition = value
    if _NO_VARIANT in column.texts:
        condition = f'{value} and {value} != "{_NO_VARIANT}"'
    return f"{{% if {condition} %}}, {{{{ {value} }}}}{{% endif %}}"


def _expression(column: ColumnSurvey) -> str:
    """Return a column as an expression of a template."""
    return spelled(column.name).removeprefix("{{ ").removesuffix(" }}")


def _file_name(
    columns: Sequence[ColumnSurvey],
    row_id: ColumnSurvey | None,
    title: ColumnSurvey | None,
) -> str | None:
    """Return a template of file names; None where the id alone is a good name."""
    name = row_id or title
    if name is None:
        return None
    group = find_group([column for column in columns if column is not name])
    parts = []
    if group is not None:
        value = _expression(group)
        if group.filled < 1:
            value += ' | default("other")'
        parts.append(f"{{{{ {value} | slug }}}}")
    if row_id is None or parts:
        parts.append(f"{{{{ {_expression(name)} | slug }}}}")
    return "/".join(parts) or None


def _images_folder(column: ColumnSurvey, folder: Path) -> Path | None:
    """Return the folder of image files that do not lie below the table's."""
    places = {
        (folder / text).resolve().parent for text in column.texts if is_local(text)
    }
    existing = [str(place) for place in places if place.is_dir()]
    if not existing or all(place.is_relative_to(folder) for place in places):
        return None
    common = Path(os.path.commonpath(existing))
    return None if common == Path(common.anchor) else common
