"""Where a row's reference images may be: on the web, in the row, below one folder."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from batchgen.manifest.identity import Contents, is_local
from batchgen.model import Job


class Whereabouts:
    """Judges references by where they are; files alone are opened, allowed ones."""

    def __init__(self, job: Job, contents: Contents) -> None:
        self._start = job.manifest.parent
        self._allowed = (job.references.folder or self._start).resolve()
        self._contents = contents

    def problem(self, reference: str) -> str | None:
        """Return what is wrong with a reference, None if nothing is."""
        if not is_local(reference):
            return _problem_of_address(reference)
        try:
            path = (self._start / reference).resolve()
        except (OSError, RuntimeError, ValueError):  # links in a ring, a NUL
            return _missing(reference)
        # Before any byte of it is read: a manifest may come from somebody else.
        if not path.is_relative_to(self._allowed):
            return (
                f"{reference[:200]} lies outside {self._allowed}, where files "
                "may be; `folder` under [references] in a job file sets it"
            )
        return None if self._contents(reference) else _missing(reference)


def _missing(reference: str) -> str:
    plain = unquote(reference)
    hint = (
        f"a path is written as it is, without %-codes: {plain[:200]}"
        if plain != reference
        else "a path is read from the manifest's folder, a URL begins with https://"
    )
    return f"no such file: {reference[:200]} ({hint})"


def _problem_of_address(address: str) -> str | None:
    scheme = address.partition(":")[0].lower()
    if scheme == "data":
        return None if "," in address else "a data URI without a comma and content"
    if scheme in ("http", "https"):
        return None if _has_host(address) else f"{address[:200]} is no whole URL"
    if scheme == "file":
        return f"{address[:200]}: write the path alone, without file:"
    return (
        f"{address[:200]} is no http(s) URL, no data URI and no path (a path with a "
        "colon in its first name begins with ./)"
    )


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False
