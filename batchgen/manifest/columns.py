"""The meaning of a manifest's columns: standard columns and user columns."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from batchgen.errors import SpecError
from batchgen.manifest.wording import (
    did_you_mean,
    listed,
    nearest,
    same_but_for_spelling,
)
from batchgen.model import COMMON_WORDS, type_of_option

KNOWN_COLUMNS = (
    "id",
    "prompt",
    "references",
    "aspect_ratio",
    "resolution",
    "n",
    "filename",
    "provider",
    "model",
    *type_of_option,
)

OWN_OPTIONS = ("id", "references")
"""Standard columns that have an option of their own; `--columns` names the others."""

REFERENCE_ALIASES = ("image_urls", "ref_images", "image_url", "image")
"""Other names that are accepted for `references`."""

_RESULT_COLUMNS = frozenset({"id", "provider", "model", "aspect_ratio", "resolution"})
"""Columns that the result table has with the same name and meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The meaning of a manifest's columns.

    Attributes:
        names: All columns, in order.
        name_of: The manifest's name of each standard column that it has.
        references: Columns that may contain references.
        joins_references: Whether a row has the references of all these columns, since
            the user named them; else a row may fill only one.
        user_columns: Columns to copy into the result table.
        notices: Notices for the user about columns that are not read.
    """

    names: tuple[str, ...]
    name_of: Mapping[str, str]
    references: tuple[str, ...]
    joins_references: bool
    user_columns: tuple[str, ...]
    notices: tuple[str, ...]


def interpret_columns(
    names: Sequence[str], mapping: Mapping[str, str], *, templated: bool, where: str
) -> Layout:
    """Find out what each column means.

    Args:
        names: The manifest's columns.
        mapping: The manifest's name of a standard column, from the job.
        templated: Whether a template makes the prompt.
        where: The manifest's path, for messages.

    Raises:
        SpecError: a column has no name, two have the same name, or a mapped column or
            the prompt is missing.
    """
    _check_names(names, where)
    name_of = _resolve_names(names, mapping, where)
    if templated:
        name_of.pop("prompt", None)
    elif "prompt" not in name_of:
        raise _no_prompt(names, where)
    references = tuple(_reference_names(names, name_of, mapping))
    name_of.pop("references", None)
    return Layout(
        names=tuple(names),
        name_of=name_of,
        references=references,
        joins_references="references" in mapping,
        user_columns=tuple(
            name for name in names if not _is_result_column(name, name_of)
        ),
        notices=(
            *_notices(names, {*name_of.values(), *references}, mapping, where),
            *_notices_of_options(name_of, mapping, where),
        ),
    )


def _check_names(names: Sequence[str], where: str) -> None:
    for number, name in enumerate(names, start=1):
        if not name.strip():
            raise SpecError(
                f"{where}, header: column {number} has no name; give the column one, "
                "or delete it (pandas leaves its index out with index=False)"
            )
    repeated = {name: times for name, times in Counter(names).items() if times > 1}
    if repeated:
        first = next(iter(repeated))
        times = "twice" if repeated[first] == 2 else f"{repeated[first]} times"
        others = f" (so do {listed(list(repeated)[1:])})" if len(repeated) > 1 else ""
        raise SpecError(
            f"{where}, header: column `{first}` stands there {times}{others}; give "
            "each column a name of its own"
        )


def _resolve_names(
    names: Sequence[str], mapping: Mapping[str, str], where: str
) -> dict[str, str]:
    name_of = {standard: standard for standard in KNOWN_COLUMNS if standard in names}
    for standard, name in mapping.items():
        columns = [name]
        if standard == "references":
            columns = split_names(name, names)
        for column in columns:
            if column not in names:
                raise SpecError(
                    f"{where}: no column `{column}`, which "
                    f"{_option_for(standard)} or [columns] names for `{standard}`"
                    f"{did_you_mean(column, names)} (the columns are {listed(names)})"
                )
        name_of[standard] = columns[0]
    return name_of


def split_names(text: str, names: Collection[str]) -> list[str]:
    """Return the columns in a list with commas; a name may itself hold commas."""
    parts = text.split(",")
    columns: list[str] = []
    while parts:
        ends = range(len(parts), 0, -1)
        candidates = ((end, ",".join(parts[:end]).strip()) for end in ends)
        end, name = next(
            (each for each in candidates if each[1] in names), (1, parts[0].strip())
        )
        columns.append(name)
        parts = parts[end:]
    return columns


def _option_for(standard: str) -> str:
    """Return the option that names the user's column for a standard one."""
    return f"--{standard}" if standard in OWN_OPTIONS else "--columns"


def _no_prompt(names: Sequence[str], where: str) -> SpecError:
    similar = nearest("prompt", names)
    column = shlex.quote(similar) if similar else "COLUMN"
    way_out = f"name the column that holds it by --columns prompt={column}"
    return SpecError(
        f"{where}: no column `prompt` (it has {listed(names)}): {way_out}, or give a "
        "template by --prompt; `batchgen init` proposes one"
    )


def _reference_names(
    names: Sequence[str], name_of: Mapping[str, str], mapping: Mapping[str, str]
) -> Iterator[str]:
    if "references" in mapping:
        yield from dict.fromkeys(split_names(mapping["references"], names))
        return
    if "references" in name_of:
        yield name_of["references"]
    mapped = set(mapping.values())
    yield from (a for a in REFERENCE_ALIASES if a in names and a not in mapped)


def _is_result_column(name: str, name_of: Mapping[str, str]) -> bool:
    return name_of.get(name) == name and (name in _RESULT_COLUMNS or name == "prompt")


def _notices(
    names: Sequence[str], used: set[str], mapping: Mapping[str, str], where: str
) -> Iterator[str]:
    # The prompt is never missing: there is a column or a template.
    present = {*names, *mapping, "prompt"}
    absent = [standard for standard in KNOWN_COLUMNS if standard not in present]
    for name, standard in product(names, absent):
        if name not in used and same_but_for_spelling(name, standard):
            is_case = name.casefold() == standard.casefold()
            rule = "case-sensitive" if is_case else "taken letter for letter"
            column = shlex.quote(name)
            pair = column if standard in OWN_OPTIONS else f"{standard}={column}"
            yield (
                f"{where}: `{name}` is not used as `{standard}`: names are {rule}. To "
                f"use it: {_option_for(standard)} {pair}, or [columns] {standard} = "
                f'"{name}" in a job file'
            )


def _notices_of_options(
    name_of: Mapping[str, str], mapping: Mapping[str, str], where: str
) -> Iterator[str]:
    for name, values in COMMON_WORDS.items():
        if name in name_of and name not in mapping:
            is_long = len(values) > 9
            choices = f"{values[0]} to {values[-1]}" if is_long else ", ".join(values)
            yield (
                f"{where}: column `{name}` is read as the option `{name}` where its "
                f"value is one of {choices}; other values are your own. To have it "
                f'read in any case: {name} = "{name}" under [columns]'
            )
