"""Words that messages about files and names share."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from batchgen.addresses.characters import visible_line
from batchgen.errors import SpecError


def shown(path: Path) -> str:
    """Return a path as a person would type it: relative where it lies below here."""
    here = Path.cwd()
    below = path.relative_to(here) if path.is_relative_to(here) else path
    return visible_line(str(below))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that a mistyped one most likely meant, or None.

    Case, blanks and hyphens count for nothing: `Aspect Ratio` is `aspect_ratio`.
    """
    by_plain = {plain_name(name): name for name in known}
    found = get_close_matches(plain_name(word), by_plain, n=1, cutoff=0.6)
    return by_plain[found[0]] if found else None


def listed(names: Sequence[str], end: int = 20) -> str:
    """Return names, parted by commas; those beyond the first ones are counted."""
    first = ", ".join(name.strip()[:60] for name in names[:end])
    return f"{first} and {len(names) - end} more" if len(names) > end else first


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `: did you mean ...?` for the nearest known name, or nothing."""
    found = nearest(word, known)
    return f": did you mean `{found}`?" if found else ""


def same_but_for_spelling(word: str, name: str) -> bool:
    """Tell whether two names differ in case, blanks and hyphens alone."""
    return plain_name(word) == plain_name(name)


def missing_file(path: Path, *, suffixes: Sequence[str] = ()) -> str:
    """Return the message for a file that is not there, with what may be meant.

    Args:
        path: Of the file.
        suffixes: Of files to name where none has a name like it.
    """
    if path.is_symlink():
        return (
            f"no such file: {shown(path)} is a link that leads nowhere: mend the link"
        )
    # Blanks around a name are not seen unless it is quoted.
    name = shown(path) if path.name == path.name.strip() else repr(shown(path))
    try:
        siblings = sorted(entry.name for entry in path.parent.iterdir())
    except FileNotFoundError:
        return f"no such file: {name}: there is no folder `{path.parent}`"
    except OSError:
        return f"no such file: {name} (nor a readable folder that could hold it)"
    found = nearest(path.name, siblings)
    if found:
        return f"no such file: {name}: did you mean {shown(path.parent / found)}?"
    files = [each for each in siblings if Path(each).suffix.lower() in suffixes]
    there = f": the folder has {', '.join(files[:3])}" if files else ""
    return f"no such file: {name}{there}"


def refuse_irregular(path: Path) -> None:
    """Refuse what is no regular file, before it is opened: a pipe lets us wait.

    Raises:
        SpecError: it is a folder, a pipe or a device.
    """
    if path.is_dir():
        raise SpecError(f"{shown(path)} is a folder, not a file")
    if path.exists() and not path.is_file():
        raise SpecError(
            f"{shown(path)} is no regular file, but a pipe or a device: save what it "
            "gives as a file, and name that"
        )


def plain_name(name: str) -> str:
    """Return a name as others are compared with: without case, blanks and hyphens."""
    plain = unicodedata.normalize("NFKC", name).strip().casefold()
    return plain.replace(" ", "_").replace("-", "_")
