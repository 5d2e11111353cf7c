"""Reference images made ready for providers: once, and shared by all rows."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import anyio
import pybase64

from batchgen.addresses import is_url, shown, stored_digest
from batchgen.model import Attachment, Inline, ReferenceRules
from batchgen.references.conversions import can_make
from batchgen.references.facts import Facts, Unusable, examine
from batchgen.references.judge import misfit
from batchgen.references.loading import Identity, check_within, identify, naming, read
from batchgen.references.single_flight import Once

MOST_BYTES = 64 * 1024 * 1024
"""Bytes of ready images that are kept for the next row."""

T = TypeVar("T")
Fetch = Callable[[str], Awaitable[bytes]]

_MOST_KNOWN = 10_000
_SHRINKING_AT_ONCE = 2  # the pixels of a large one take half a gigabyte
_LONG = 4096  # characters from which a data URI is hashed elsewhere


class Offload(Protocol):
    """Run work that would hold up the event loop, elsewhere."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class _Recipe:
    """What must be made of an image before it is taken."""

    media_types: tuple[str, ...]
    most_bytes: int | None


@dataclass(frozen=True, slots=True)
class _Order:
    """An image that is wanted, as it is if there is no recipe.

    Attributes:
        identity: A URL is its own.
    """

    reference: str
    identity: Identity | str
    recipe: _Recipe | None = None

    @property
    def key(self) -> tuple[object, ...]:
        # Without the reference: a data URI has megabytes.
        return self.identity, self.recipe


@dataclass(frozen=True, slots=True)
class _Image:
    facts: Facts
    attachment: Attachment


class Larder:
    """Makes reference images ready; one that many rows share is made ready once.

    A local file is read anew when it was changed; a URL is fetched once while its
    image is kept.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        folder: Path,
        *,
        within: Path,
        shrink: bool,
        offload: Offload,
        fetch: Fetch,
        images: Path | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """Prepare to make images ready.

        Args:
            folder: What relative paths start from.
            within: The folder below which files must lie.
            shrink: Whether those that are not taken may be re-encoded or scaled down.
            offload: Runs what takes long: reading, shrinking, base64.
            fetch: Downloads from a URL; what it raises is passed on.
            images: Where images of the table are.
            most_bytes: Of ready images that are kept.
        """
        self._folder = folder
        self._images = images
        self._within = within.resolve()
        self._shrink = shrink
        self._offload = offload
        self._fetch = fetch
        self._ready = Once(most_bytes, _weigh)
        self._known: OrderedDict[Identity | str, Facts] = OrderedDict()
        self._shrinking = anyio.Semaphore(_SHRINKING_AT_ONCE)

    async def attachment(
        self, reference: str, rules: ReferenceRules, among: int
    ) -> Attachment:
        """Return an image as bytes that a provider takes.

        Args:
            reference: A path, a data URI, or an http(s) URL, which is fetched first.
            rules: What the provider takes.
            among: Images of the same request; where it has a limit for all of them,
                a larger one is shrunk to its even share, if that is allowed.

        Raises:
            Unusable: it cannot be had or used.
        """
        order = await self._order(reference, rules, among)
        return (await self._image(order)).attachment

    async def inline(self, reference: str, rules: ReferenceRules, among: int) -> Inline:
        """Return an image as base64 that a provider takes; see `attachment`."""
        order = await self._order(reference, rules, among)
        key = ("inline", *order.key)
        return await self._ready.get(key, partial(self._encode, order))

    # -- what must be made of it

    async def _order(self, reference: str, rules: ReferenceRules, among: int) -> _Order:
        as_it_is = _Order(reference, await self._identify(reference))
        facts = self._known.get(as_it_is.identity)
        if facts is None:
            facts = (await self._image(as_it_is)).facts
        most = self._most_bytes(rules, among)
        reason = misfit(facts, rules.media_types, most)
        if reason is None:
            return as_it_is
        if self._shrink and can_make(facts.media_type, rules.media_types):
            return replace(as_it_is, recipe=_Recipe(rules.media_types, most))
        raise Unusable(f"{shown(reference)}: {reason}")

    async def _identify(self, reference: str) -> Identity | str:
        if is_url(reference):
            return reference
        with naming(reference):
            if len(reference) < _LONG:
                return self._identify_here(reference)
            return await self._offload(partial(self._identify_here, reference))

    def _identify_here(self, reference: str) -> Identity:
        identity = identify(self._folder, reference, self._images)
        if stored_digest(reference) is None:
            check_within(identity, self._within)
        return identity

    def _most_bytes(self, rules: ReferenceRules, among: int) -> int | None:
        together = rules.most_bytes_together
        if together is not None and self._shrink:
            together //= among
        limits = [limit for limit in (rules.most_bytes, together) if limit is not None]
        return min(limits, default=None)

    # -- bytes

    async def _image(self, order: _Order) -> _Image:
        make = partial(self._load, order)
        if order.recipe is not None:
            make = partial(self._reduce, order, order.recipe)
        return await self._ready.get(("image", *order.key), make)

    async def _load(self, order: _Order) -> _Image:
        source = order.identity
        if isinstance(source, str):
            work = partial(_fetched, await self._fetch(source))
        else:
            work = partial(_read, order.reference, source)
        with naming(order.reference):
            image = await self._offload(work)
        self._known[source] = image.facts
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return image

    async def _reduce(self, order: _Order, recipe: _Recipe) -> _Image:
        whole = await self._image(replace(order, recipe=None))
        async with self._shrinking:
            with naming(order.reference):
                return await self._offload(partial(_shrunk, whole, recipe))

    async def _encode(self, order: _Order) -> Inline:
        image = (await self._image(order)).attachment
        text = await self._offload(partial(pybase64.b64encode, image.data))
        return Inline(image.media_type, text)


def _read(reference: str, identity: Identity) -> _Image:
    return _looked_at(read(reference, identity))


def _fetched(data: bytes) -> _Image:
    try:
        return _looked_at(data)
    except Unusable as error:
        if not data[:512].lstrip().lower().startswith((b"<!doctype html", b"<html")):
            raise
        # Shares of Google Drive and Dropbox, and pages of products.
        way_out = "the URL shows a web page; give the URL of the image file itself"
        raise Unusable(f"{error}: {way_out}") from error


def _looked_at(data: bytes) -> _Image:
    facts = examine(data)
    name = f"{hashlib.sha256(data).hexdigest()}.{facts.extension}"
    return _Image(facts, Attachment(name, facts.media_type, data))


def _shrunk(image: _Image, recipe: _Recipe) -> _Image:
    # Only here: few runs change an image, and Pillow takes its time to load.
    from batchgen.references.shrink import shrink

    whole, types = image.attachment, recipe.media_types
    return _looked_at(shrink(whole.data, whole.media_type, types, recipe.most_bytes))


def _weigh(ready: _Image | Inline) -> int:
    return len(ready.attachment.data if isinstance(ready, _Image) else ready.base64)
