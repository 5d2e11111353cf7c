"""Prepare reference images for providers, each once for all rows."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import anyio
import pybase64

from batchgen.addresses import is_url, row_image_at, shown, table_image_digest
from batchgen.images import ImageFacts
from batchgen.model import Attachment, Inline, ReferenceRules
from batchgen.references.loading import (
    Identity,
    Unusable,
    check_inside,
    examine,
    identify,
    read,
    with_name,
)
from batchgen.references.single_flight import SingleFlightCache
from batchgen.references.support import can_convert, why_image_unsupported

MAX_BYTES = 64 * 1024 * 1024
"""Bytes of prepared images that are kept for the next rows."""

T = TypeVar("T")
Fetch = Callable[[str], Awaitable[bytes]]

_MAX_SHRINKING = 2  # the pixels of a large image take half a gigabyte
_MAX_FACTS = 10_000
_LONG_CHARACTERS = 4096
"""Hashing a data URI of this length would hold up the event loop."""


class Offload(Protocol):
    """Run work elsewhere that would hold up the event loop."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class _Conversion:
    """The formats and the size that an image must be brought to."""

    media_types: tuple[str, ...]
    max_bytes: int | None


@dataclass(frozen=True, slots=True)
class _Target:
    """An image to prepare, unchanged if there is no conversion.

    Attributes:
        identity: For a URL, the URL itself.
    """

    reference: str
    identity: Identity | str
    conversion: _Conversion | None = None

    @property
    def key(self) -> tuple[object, ...]:
        # Without the reference: a data URI may have megabytes.
        return self.identity, self.conversion


@dataclass(frozen=True, slots=True)
class _Image:
    facts: ImageFacts
    attachment: Attachment


class ReferenceCache:
    """Prepares reference images; an image that many rows share is prepared once.

    A local file is read again after a change. A URL is fetched again only if its image
    was dropped from the cache.
    """

    def __init__(  # noqa: PLR0913 - each is an independent setting
        self,
        folder: Path,
        *,
        allowed_folder: Path,
        shrink: bool,
        offload: Offload,
        fetch: Fetch,
        images: Path | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """Begin with an empty cache.

        Args:
            folder: Where relative paths start.
            allowed_folder: Local files must be inside it.
            shrink: Whether unsupported images may be re-encoded or scaled down.
            offload: Runs slow work: reading, shrinking, base64.
            fetch: Returns the content of a URL, or of an image in the archive; its
                errors are passed on.
            images: The folder of images that came in cells of the table.
            max_bytes: Of prepared images that are kept.
        """
        self._folder = folder
        self._images = images
        self._allowed_folder = allowed_folder.resolve()
        self._shrink = shrink
        self._offload = offload
        self._fetch = fetch
        self._prepared = SingleFlightCache(max_bytes, _size_of)
        # Kept longer than bytes: an image whose converted bytes are in the cache is not
        # read again.
        self._facts = SingleFlightCache(_MAX_FACTS, lambda _: 1)
        self._shrinking = anyio.Semaphore(_MAX_SHRINKING)

    async def attachment(
        self, reference: str, rules: ReferenceRules, image_count: int
    ) -> Attachment:
        """Return an image as bytes that a provider accepts.

        Args:
            reference: A path, a data URI, or an http(s) URL, which is fetched first.
            rules: What the provider accepts.
            image_count: Images in the same request. If there is a limit for all of
                them together, an image larger than its even share is shrunk, where
                the job allows that.

        Raises:
            Unusable: the image cannot be loaded, or is not supported.
        """
        target = await self._target(reference, rules, image_count)
        return (await self._image(target)).attachment

    async def inline(
        self, reference: str, rules: ReferenceRules, image_count: int
    ) -> Inline:
        """Return an image as base64 that a provider accepts; see `attachment`."""
        target = await self._target(reference, rules, image_count)
        key = ("inline", *target.key)
        return await self._prepared.get(key, partial(self._encode, target))

    # -- whether the image must be converted

    async def _target(
        self, reference: str, rules: ReferenceRules, image_count: int
    ) -> _Target:
        unchanged = _Target(reference, await self._identify(reference))
        facts = await self._facts.get(
            unchanged.identity, partial(self._facts_of, unchanged)
        )
        max_bytes = self._max_bytes(rules, image_count)
        reason = why_image_unsupported(facts, rules.media_types, max_bytes)
        if reason is None:
            return unchanged
        if self._shrink and can_convert(facts.media_type, rules.media_types):
            conversion = _Conversion(rules.media_types, max_bytes)
            return replace(unchanged, conversion=conversion)
        raise Unusable(f"{shown(reference)}: {reason}")

    async def _identify(self, reference: str) -> Identity | str:
        if is_url(reference) or row_image_at(reference) is not None:
            return reference
        with with_name(reference):
            if len(reference) < _LONG_CHARACTERS:
                return self._identify_file(reference)
            return await self._offload(partial(self._identify_file, reference))

    def _identify_file(self, reference: str) -> Identity:
        identity = identify(self._folder, reference, self._images)
        if table_image_digest(reference) is None:
            check_inside(identity, self._allowed_folder)
        return identity

    def _max_bytes(self, rules: ReferenceRules, image_count: int) -> int | None:
        total = rules.max_total_bytes
        if total is not None and self._shrink:
            total //= image_count
        limits = [limit for limit in (rules.max_bytes, total) if limit is not None]
        return min(limits, default=None)

    async def _facts_of(self, target: _Target) -> ImageFacts:
        return (await self._image(target)).facts

    # -- bytes

    async def _image(self, target: _Target) -> _Image:
        make = partial(self._load, target)
        if target.conversion is not None:
            make = partial(self._convert, target, target.conversion)
        return await self._prepared.get(("image", *target.key), make)

    async def _load(self, target: _Target) -> _Image:
        identity = target.identity
        if isinstance(identity, str):
            work = partial(_examine_download, await self._fetch(identity))
        else:
            work = partial(_read, target.reference, identity)
        with with_name(target.reference):
            return await self._offload(work)

    async def _convert(self, target: _Target, conversion: _Conversion) -> _Image:
        original = await self._image(replace(target, conversion=None))
        async with self._shrinking:
            with with_name(target.reference):
                return await self._offload(partial(_shrink, original, conversion))

    async def _encode(self, target: _Target) -> Inline:
        image = (await self._image(target)).attachment
        text = await self._offload(partial(pybase64.b64encode, image.data))
        return Inline(image.media_type, text)


def _read(reference: str, identity: Identity) -> _Image:
    return _examine(read(reference, identity))


def _examine_download(data: bytes) -> _Image:
    try:
        return _examine(data)
    except Unusable as error:
        if not data[:512].lstrip().lower().startswith((b"<!doctype html", b"<html")):
            raise
        # Links that Google Drive and Dropbox share, and product pages.
        remedy = "the URL shows a web page; give the URL of the image file itself"
        raise Unusable(f"{error}: {remedy}") from error


def _examine(data: bytes) -> _Image:
    facts = examine(data)
    name = f"{hashlib.sha256(data).hexdigest()}.{facts.extension}"
    return _Image(facts, Attachment(name, facts.media_type, data))


def _shrink(image: _Image, conversion: _Conversion) -> _Image:
    # Imported here: few runs convert an image, and Pillow loads slowly.
    from batchgen.references.shrink import shrink

    original = image.attachment
    media_types, max_bytes = conversion.media_types, conversion.max_bytes
    return _examine(shrink(original.data, original.media_type, media_types, max_bytes))


def _size_of(result: _Image | Inline) -> int:
    data = result.attachment.data if isinstance(result, _Image) else result.base64
    return len(data)
