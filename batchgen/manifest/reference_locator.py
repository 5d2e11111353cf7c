"""Where reference images may be: on the web, in the cell, or in an allowed folder."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from batchgen.addresses import (
    find_hidden,
    is_data_uri,
    is_url,
    kind_of,
    name_of,
    shown,
)
from batchgen.addresses.url import problem_of_url
from batchgen.manifest.identity import Contents
from batchgen.manifest.missing_values import is_missing
from batchgen.manifest.parents import Parents
from batchgen.model import MAX_REFERENCE_BYTES, Job, too_large_message
from batchgen.providers._decoding import decode_data_uri

_HOST = r"(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?"
_URL_WITHOUT_SCHEME = re.compile(rf"(?i)(?://)?(?:{_HOST}|[a-z0-9.-]+:\d+)/.*")
_OPENING_QUOTES = "\"'<[\u201c\u2018"
_QUOTED_URL = re.compile(r"""(?<=["'])https?://[^\s"'<>]+""")
"""A URL in quotes, as in a spreadsheet's formula or in HTML."""
_WINDOWS_PATH = re.compile(r"(?i)[a-z]:[\\/]|[^/]*\\")


class ReferenceLocator:
    """Checks where references are; opens only files, and only in the allowed folder."""

    def __init__(self, job: Job, contents: Contents, parents: Parents) -> None:
        self._folder = job.folder
        self._allowed_folder = (job.references.folder or self._folder).resolve()
        self._contents = contents
        self._parents = parents

    def is_file(self, reference: str) -> bool:
        """Tell whether a path leads to a file anywhere; nothing is opened."""
        try:
            return (self._folder / reference).is_file()
        except (OSError, ValueError):  # a name that is too long, or has a NUL
            return False

    def problem(self, reference: str) -> str | None:
        """Return what is wrong with a reference, None if nothing is."""
        match kind_of(reference):
            case "table_image":
                return None
            case "row":
                return self._parents.problem(reference)
            case "path":
                return self._problem_of_path(reference)
            case _:
                return _problem_of_address(reference)

    def _problem_of_path(self, reference: str) -> str | None:
        try:
            path = (self._folder / reference).resolve()
        except (OSError, RuntimeError, ValueError):  # a cycle of links, or a NUL
            return self._missing(reference)
        # Before any byte is read: the manifest may come from somebody else.
        if not path.is_relative_to(self._allowed_folder):
            if reference.startswith("//") and _URL_WITHOUT_SCHEME.fullmatch(reference):
                return f"{shown(reference)}: a URL begins with https://"
            return (
                f"{shown(reference)} lies outside {self._allowed_folder}, where files "
                "may be; `folder` under [references] in a job file sets it"
            )
        return self._problem_of_file(path, reference)

    def _problem_of_file(self, path: Path, reference: str) -> str | None:
        try:
            state = path.stat()
        except OSError:
            return self._missing(reference)
        if not stat.S_ISREG(state.st_mode):
            kind = "a folder" if stat.S_ISDIR(state.st_mode) else "no regular file"
            return f"{shown(reference)} is {kind}: name the file of an image"
        # Before the file is read, which could take minutes.
        if state.st_size > MAX_REFERENCE_BYTES:
            return f"{shown(reference)}: {too_large_message(state.st_size)}"
        return None if self._contents(reference) else self._unreadable(path, reference)

    def _unreadable(self, path: Path, reference: str) -> str:
        """Say why an existing file cannot be read."""
        try:
            path.open("rb").close()
        except OSError as error:
            return f"{shown(reference)} cannot be read: {error.strerror or error}"
        return self._missing(reference)

    def was_accepted(self, reference: str) -> bool:
        """Tell whether earlier versions accepted an address that is refused now."""
        if is_url(reference):
            return _has_host(reference)
        return is_data_uri(reference) and decode_data_uri(reference) is not None

    def _missing(self, reference: str) -> str:
        return f"no such file: {shown(reference)} ({next(self._hints(reference))})"

    def _hints(self, reference: str) -> Iterator[str]:
        """Yield advice about a path that leads to no file, the best advice first."""
        if is_missing(reference):
            yield "it stands for a missing value; empty the cell if there is none"
        if (index := find_hidden(reference)) is not None:
            yield f"it holds {name_of(reference[index])}; delete it"
        if reference[0] in _OPENING_QUOTES:
            yield f"take away the {reference[0]} before it"
        if inner := _QUOTED_URL.search(reference):
            yield f"a formula or markup is not read: write {shown(inner[0])} alone"
        if _WINDOWS_PATH.match(reference):
            path = re.sub(r"^[A-Za-z]:", "", reference).replace("\\", "/").lstrip("/")
            rule = "paths are written with / and read from the manifest's folder"
            yield f"{rule}, as in {shown(path)}"
        if reference.startswith("~"):
            yield "~ is not read as your home folder; write the whole path"
        is_url = _URL_WITHOUT_SCHEME.fullmatch(reference) and not self._is_in_folder(
            reference
        )
        if is_url:
            yield f"a URL begins with https://, as in https://{shown(reference)}"
        if "," in reference or ";" in reference:
            yield "several paths are parted by |"
        if (plain := unquote(reference)) != reference:
            yield f"a path is written as it is, without %-codes: {shown(plain)}"
        yield "a path is read from the manifest's folder, a URL begins with https://"

    def _is_in_folder(self, reference: str) -> bool:
        return (self._folder / reference.partition("/")[0]).is_dir()


def _problem_of_address(address: str) -> str | None:
    if is_data_uri(address):
        return _problem_of_data_uri(address)
    if is_url(address):
        problem = problem_of_url(address)
        return None if problem is None else f"{shown(address)} {problem}"
    scheme = address.partition(":")[0].lower()
    if scheme in ("http", "https"):
        return f"{shown(address)} is no whole URL: write {scheme}:// and then the host"
    if scheme == "file":
        return f"{shown(address)}: write the path alone, without file:"
    if _URL_WITHOUT_SCHEME.fullmatch(address):
        return f"{shown(address)}: a URL begins with https:// or http://"
    return (
        f"{shown(address)} is no http(s) URL, no data URI and no path (a path with a "
        "colon in its first name begins with ./)"
    )


def _problem_of_data_uri(uri: str) -> str | None:
    head, comma, content = uri.partition(",")
    if not comma:
        return "a data URI without a comma and content"
    if head.lower().endswith(";base64"):
        # Programs wrap base64, and decoders ignore the line breaks.
        content = content.replace("\r", " ").replace("\n", " ")
    uri = f"{head},{content}"
    index = find_hidden(uri)
    if index is None:
        return None
    name = name_of(uri[index])
    return f"{shown(uri)} holds {name} at character {index + 1}; delete it"


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False
