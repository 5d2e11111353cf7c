"""Find out what reference images are, before anything is paid for."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock

from batchgen.addresses import kind_of
from batchgen.references.facts import Facts, Unusable, examine
from batchgen.references.loading import Identity, identify, read, with_name


class Inspector:
    """Knows what reference images are; reads each once until it changes.

    Safe to use from several threads.
    """

    _MAX_ENTRIES = 10_000

    def __init__(self, folder: Path, images: Path | None = None) -> None:
        """Begin with an empty cache.

        Args:
            folder: Where relative paths start.
            images: The folder of images that came in cells of the table.
        """
        self._folder = folder
        self._images = images
        self._results: OrderedDict[Identity | str, Facts | str] = OrderedDict()
        self._lock = Lock()

    def facts_of(self, reference: str) -> Facts | None:
        """Return what a local file or a data URI is.

        None for an http(s) URL, and for the image of another row.

        Raises:
            Unusable: it cannot be read, or is not one whole, still image of sane size.
        """
        if kind_of(reference) in ("url", "row"):
            return None
        with with_name(reference):
            result = self._inspect(reference)
            if isinstance(result, str):
                raise Unusable(result)
            return result

    def recall(self, identity: Identity | str) -> Facts | str | None:
        """Return the facts, or the reason for refusal, if they are in the cache."""
        with self._lock:
            result = self._results.get(identity)
            if result is not None:
                self._results.move_to_end(identity)
            return result

    def remember(self, identity: Identity | str, result: Facts | str) -> None:
        """Put the facts, or the reason for refusal, into the cache."""
        with self._lock:
            self._results[identity] = result
            if len(self._results) > self._MAX_ENTRIES:
                self._results.popitem(last=False)

    def _inspect(self, reference: str) -> Facts | str:
        identity = identify(self._folder, reference, self._images)
        if (result := self.recall(identity)) is not None:
            return result
        data = read(reference, identity)
        try:
            result = examine(data)
        except Unusable as error:
            result = str(error)
        self.remember(identity, result)
        return result
