"""Parts of messages about files and names."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from batchgen.addresses.characters import visible_line
from batchgen.errors import SpecError


def shown(path: Path) -> str:
    """Return a path as a person would type it: relative if it is in this folder."""
    here = Path.cwd()
    relative = path.relative_to(here) if path.is_relative_to(here) else path
    return visible_line(str(relative))


def files_shown(paths: Sequence[Path]) -> str:
    """Return the files of a table for a message: the first, and how many more."""
    more = len(paths) - 1
    first = shown(paths[0])
    if not more:
        return first
    return f"{first} and {more} more {'file' if more == 1 else 'files'}"


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the name that a mistyped word most likely means, or None.

    Case, blanks and hyphens do not matter: `Aspect Ratio` is `aspect_ratio`.
    """
    by_plain = {plain_name(name): name for name in names}
    matches = get_close_matches(plain_name(word), by_plain, n=1, cutoff=0.6)
    return by_plain[matches[0]] if matches else None


def listed(names: Sequence[str], end: int = 20) -> str:
    """Return names with commas between; beyond `end` only their number is given."""
    first = ", ".join(name.strip()[:60] for name in names[:end])
    return f"{first} and {len(names) - end} more" if len(names) > end else first


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return `: did you mean ...?` for the nearest name, or nothing."""
    similar = nearest(word, names)
    return f": did you mean `{similar}`?" if similar else ""


def same_but_for_spelling(word: str, name: str) -> bool:
    """Tell whether two names differ only in case, blanks and hyphens."""
    return plain_name(word) == plain_name(name)


def missing_file(path: Path, *, suffixes: Sequence[str] = ()) -> str:
    """Return the message for a file that does not exist, with a suggestion.

    Args:
        path: Of the file.
        suffixes: Of files to list if no file has a similar name.
    """
    if path.is_symlink():
        return (
            f"no such file: {shown(path)} is a link that leads nowhere: mend the link"
        )
    # Quotes make blanks around a name visible.
    name = shown(path) if path.name == path.name.strip() else repr(shown(path))
    try:
        siblings = sorted(entry.name for entry in path.parent.iterdir())
    except FileNotFoundError:
        return f"no such file: {name}: there is no folder `{path.parent}`"
    except OSError:
        return f"no such file: {name} (nor a readable folder that could hold it)"
    similar = nearest(path.name, siblings)
    if similar:
        return f"no such file: {name}: did you mean {shown(path.parent / similar)}?"
    files = [each for each in siblings if Path(each).suffix.lower() in suffixes]
    there = f": the folder has {', '.join(files[:3])}" if files else ""
    return f"no such file: {name}{there}"


def refuse_irregular(path: Path) -> None:
    """Refuse a path that is no regular file: opening a pipe could wait for ever.

    Raises:
        SpecError: the path is a folder, a pipe or a device.
    """
    if path.is_dir():
        raise SpecError(f"{shown(path)} is a folder, not a file")
    if path.exists() and not path.is_file():
        raise SpecError(
            f"{shown(path)} is no regular file, but a pipe or a device: save what it "
            "gives as a file, and name that"
        )


def plain_name(name: str) -> str:
    """Return a name in the form that is compared: without case, blanks and hyphens."""
    plain = unicodedata.normalize("NFKC", name).strip().casefold()
    return plain.replace(" ", "_").replace("-", "_")
