"""Read format and size of reference images, before anything is paid for."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock

from batchgen.addresses import kind_of
from batchgen.images import ImageFacts
from batchgen.references.loading import (
    Identity,
    Unusable,
    examine,
    identify,
    read,
    with_name,
)


class Inspector:
    """Reads what reference images are, each once until it changes.

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
        self._results: OrderedDict[Identity, ImageFacts | str] = OrderedDict()
        self._lock = Lock()

    def facts_of(self, reference: str) -> ImageFacts | None:
        """Return what a local file or a data URI is.

        None for an http(s) URL, and for the image of another row.

        Raises:
            Unusable: it cannot be read, or is not one whole, still image of sane size.
        """
        if kind_of(reference) in ("url", "row"):
            return None
        with with_name(reference):
            identity = identify(self._folder, reference, self._images)
            with self._lock:
                result = self._results.get(identity)
            result = result or _facts_or_reason(reference, identity)
            with self._lock:
                self._results[identity] = result
                self._results.move_to_end(identity)
                if len(self._results) > self._MAX_ENTRIES:
                    self._results.popitem(last=False)
            if isinstance(result, str):
                raise Unusable(result)
            return result


def _facts_or_reason(reference: str, identity: Identity) -> ImageFacts | str:
    """Return what an image is, or why it cannot be used."""
    data = read(reference, identity)
    try:
        return examine(data)
    except Unusable as error:
        return str(error)
