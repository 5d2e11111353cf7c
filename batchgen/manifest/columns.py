"""Which column of a manifest means what, and which are the user's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from batchgen.errors import SpecError
from batchgen.manifest.wording import did_you_mean, nearest, same_but_for_spelling
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

REFERENCE_ALIASES = ("image_urls", "ref_images", "image_url", "image")
"""Names that `references` is accepted under, too."""

_IN_TABLE = frozenset({"id", "provider", "model", "aspect_ratio", "resolution"})
"""Columns that the result table holds under the same name and meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The meaning of a manifest's columns.

    Attributes:
        names: All columns, in order.
        read: The manifest's own name for each known column that it has.
        references: Columns that may hold references; at most one may be filled.
        own: Columns to be carried to the result table.
        notices: What a person may want to know of columns that are not read.
    """

    names: tuple[str, ...]
    read: Mapping[str, str]
    references: tuple[str, ...]
    own: tuple[str, ...]
    notices: tuple[str, ...]


def lay_out(
    names: Sequence[str], mapping: Mapping[str, str], *, templated: bool, where: str
) -> Layout:
    """Find out what each column means.

    Args:
        names: The manifest's columns.
        mapping: The manifest's own name for a known column.
        templated: Whether a template makes the prompt.
        where: The manifest's path, for messages.

    Raises:
        SpecError: columns without a name or with the same one, a mapped column or
            the prompt missing.
    """
    _check_names(names, where)
    read = _read_names(names, mapping, where)
    if templated:
        read.pop("prompt", None)
    elif "prompt" not in read:
        raise _no_prompt(names, where)
    references = tuple(_reference_names(names, read, mapping))
    read.pop("references", None)
    return Layout(
        names=tuple(names),
        read=read,
        references=references,
        own=tuple(name for name in names if not _in_table(name, read)),
        notices=(
            *_notices(names, {*read.values(), *references}, where),
            *_notices_of_options(read, mapping, where),
        ),
    )


def _check_names(names: Sequence[str], where: str) -> None:
    for number, name in enumerate(names, start=1):
        if not name.strip():
            raise SpecError(f"{where}, header: column {number} has no name")
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise SpecError(f"{where}, header: column `{twice[0]}` stands there twice")


def _read_names(
    names: Sequence[str], mapping: Mapping[str, str], where: str
) -> dict[str, str]:
    read = {known: known for known in KNOWN_COLUMNS if known in names}
    for known, name in mapping.items():
        if name not in names:
            raise SpecError(
                f"{where}: no column `{name}`, which "
                f"{'--id or ' if known == 'id' else ''}[columns] names for "
                f"`{known}`{did_you_mean(name, names)}"
            )
        read[known] = name
    return read


def _no_prompt(names: Sequence[str], where: str) -> SpecError:
    found = nearest("prompt", names)
    way_out = (
        f'rename `{found}`, write `prompt = "{found}"` under [columns]'
        if found
        else "name one under [columns]"
    )
    return SpecError(
        f"{where}: no column `prompt` (it has {', '.join(names)}): {way_out} in a job "
        "file, or give a template by --prompt"
    )


def _reference_names(
    names: Sequence[str], read: Mapping[str, str], mapping: Mapping[str, str]
) -> Iterator[str]:
    if "references" in read:
        yield read["references"]
    if "references" not in mapping:
        taken = set(mapping.values())
        yield from (a for a in REFERENCE_ALIASES if a in names and a not in taken)


def _in_table(name: str, read: Mapping[str, str]) -> bool:
    return read.get(name) == name and (name in _IN_TABLE or name == "prompt")


def _notices(names: Sequence[str], used: set[str], where: str) -> Iterator[str]:
    # The prompt is not among them: it is there, or a template stands for it.
    absent = [known for known in KNOWN_COLUMNS if known not in (*names, "prompt")]
    for name, known in product(names, absent):
        if name not in used and same_but_for_spelling(name, known):
            yield (
                f"{where}: column `{name}` is carried along, but not read as "
                f"`{known}`; rename it if that was meant"
            )


def _notices_of_options(
    read: Mapping[str, str], mapping: Mapping[str, str], where: str
) -> Iterator[str]:
    for name, values in COMMON_WORDS.items():
        if name in read and name not in mapping:
            is_long = len(values) > 9
            shown = f"{values[0]} to {values[-1]}" if is_long else ", ".join(values)
            yield (
                f"{where}: column `{name}` is read as the option `{name}` where its "
                f"value is one of {shown}; other values are your own. To have it read "
                f'in any case: {name} = "{name}" under [columns]'
            )
