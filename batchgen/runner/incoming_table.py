"""Tables that are no files of the user: the standard input, the web, and clouds.

They are copied first. In a run the copy stays in the run folder, before anything is
bought: the same command then carries on, although the input is gone by then.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import anyio

from batchgen.addresses.url import read_url
from batchgen.errors import AttemptError, SpecError, UsageError
from batchgen.manifest.file_content import kind_of
from batchgen.manifest.table_kind import SUFFIXES, suffix_for, table_suffix
from batchgen.manifest.text_file import compression_of
from batchgen.output.whole import replacing, sync_folder
from batchgen.runner.folder import hold_folder
from batchgen.wire import MEGABYTE, MemoryBudget, is_loopback_host
from batchgen.wire.object_store import SCHEMES, read_object
from batchgen.wire.sender import Wire
from batchgen.wire.wire_limits import DEFAULT_LIMITS

Check = Callable[[Path], None]

STDIN = "-"
MAX_MEGABYTES = 128
"""Size of a table from the web: it passes through memory."""

_PACKED = {"gzip": ".gz", "zstd": ".zst", "": ""}
_BLOCK_BYTES = 1 << 20


def name_of(source: str) -> str:
    """Return how a copy of the table is named, without a suffix.

    Two addresses have two names, so that one is not taken for the other.
    """
    if source == STDIN:
        return "from-stdin"
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    stem = Path(read_url(source).path).name.partition(".")[0] or "table"
    return f"from-web-{re.sub(r'[^A-Za-z0-9_-]', '-', stem)[:40]}-{digest}"


def stem_of(source: str) -> str:
    """Return the name of the run folder for an address."""
    stem = Path(read_url(source).path).name.partition(".")[0]
    return re.sub(r"[^A-Za-z0-9._-]", "-", stem)[:60] or "table"


def copy_table(
    source: str,
    folder: Path,
    stdin: BinaryIO,
    passing: Path | None = None,
    check: Check = lambda _: None,
) -> tuple[Path, str | None]:
    """Copy a table into a run folder, or find the copy that an earlier run made.

    Args:
        source: `-` or an address.
        folder: The run folder; made if missing.
        stdin: The standard input.
        passing: A folder for a copy that is not kept, in place of the run folder.
        check: Raises SpecError for a file that is no table for this job; such a one
            does not take the place of an earlier copy.

    Returns:
        The copy, and a notice where an earlier one is used.

    Raises:
        UsageError: nothing comes from the standard input, and there is no copy.
        SpecError: the address cannot be read, or `check` refuses the new table.
        StorageError: the folder cannot be written, or another run works on it.
    """
    existing = _existing(source, folder)
    if source != STDIN and existing is not None:
        return existing, (
            f"{source} is read from its copy {existing}, as it was at the first run; "
            "to read it anew, name another folder with --out"
        )
    content = _content(source, stdin)
    first = next(content, b"")
    if not first:
        if existing is None:
            raise UsageError(
                "SOURCE is -, and nothing comes from the standard input: pipe a table "
                f"into the command, as in cat products.csv | batchgen run {STDIN}"
            )
        return existing, f"the standard input is empty: read from its copy {existing}"
    if passing is not None:
        return _store(source, passing, chain([first], content)), None
    folder.mkdir(parents=True, exist_ok=True)
    with hold_folder(folder):
        if existing is not None:
            _replace(existing, chain([first], content), check)
            return existing, None
        return _store(source, folder, chain([first], content)), None


def _existing(source: str, folder: Path) -> Path | None:
    copies = [
        path
        for path in sorted(folder.glob(f"{name_of(source)}.*"))
        if path.suffix in SUFFIXES and path.is_file()
    ]
    return copies[0] if copies else None


def _content(source: str, stdin: BinaryIO) -> Iterator[bytes]:
    if source.partition("://")[0].lower() in SCHEMES:
        yield from read_object(source)
    elif source != STDIN:
        yield anyio.run(partial(_fetch, source))
    elif not stdin.isatty():
        yield from iter(partial(stdin.read, _BLOCK_BYTES), b"")


def _store(source: str, folder: Path, content: Iterable[bytes]) -> Path:
    """Write the content, durably."""
    raw = folder / name_of(source)
    _write(raw, content)
    path = raw.with_name(raw.name + _suffix(source, raw))
    raw.replace(path)
    sync_folder(folder)
    return path


def _replace(existing: Path, content: Iterable[bytes], check: Check) -> None:
    """Put new content in the place of an earlier copy, whole, and only if it is good.

    Raises:
        SpecError: it is no table for this job; the earlier copy stays.
    """
    new = existing.with_name(f"new-{existing.name}")
    _write(new, content)
    try:
        check(new)
    except SpecError as error:
        new.unlink()
        raise SpecError(
            f"what comes from the standard input cannot take the place of {existing}, "
            f"which stays as it was: {error}. For another table, name another folder "
            "with --out"
        ) from error
    new.replace(existing)
    sync_folder(existing.parent)


def _write(path: Path, content: Iterable[bytes]) -> None:
    with replacing(path) as file:
        for block in content:
            file.write(block)


def _suffix(source: str, path: Path) -> str:
    """Return the suffix for a copy: that of the address, or by its content."""
    with path.open("rb") as file:
        packed = _PACKED[compression_of(file.read(8))]
    if source != STDIN:
        suffix = table_suffix(Path(read_url(source).path))
        if suffix in SUFFIXES:
            return suffix + packed
    kind = kind_of(path)
    return suffix_for(kind) + packed


async def _fetch(url: str) -> bytes:
    """Return what stands at an address; no key goes there."""
    limits = replace(DEFAULT_LIMITS, image_bytes=MAX_MEGABYTES * MEGABYTE)
    is_near = is_loopback_host(read_url(url).host)
    memory = MemoryBudget(2 * MAX_MEGABYTES * MEGABYTE)
    async with Wire(paid_hosts=True, limits=limits, memory=memory) as wire:
        try:
            blob = await wire.download("table", url, allow_loopback=is_near)
        except AttemptError as error:
            raise SpecError(
                f"{url} cannot be read: {error.message}. Download the table, and name "
                "that file"
            ) from error
    return blob.data
