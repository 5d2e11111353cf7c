"""Look at reference images before anything is paid for."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock

from batchgen.addresses import is_url
from batchgen.references.facts import Facts, Unusable, examine
from batchgen.references.loading import Identity, identify, naming, read


class Inspector:
    """Says what reference images are; each is read once while it does not change."""

    _MOST = 10_000

    def __init__(self, folder: Path, images: Path | None = None) -> None:
        """Prepare to look at images.

        Args:
            folder: What relative paths start from.
            images: Where images of the table are.
        """
        self._folder = folder
        self._images = images
        self._known: OrderedDict[Identity, Facts | str] = OrderedDict()
        self._lock = Lock()

    def look(self, reference: str) -> Facts | None:
        """Return what a local file or a data URI is, None for an http(s) URL.

        Raises:
            Unusable: it cannot be read, or is not one whole, still image of sane size.
        """
        if is_url(reference):
            return None
        with naming(reference):
            found = self._found(reference)
            if isinstance(found, str):
                raise Unusable(found)
            return found

    def _found(self, reference: str) -> Facts | str:
        identity = identify(self._folder, reference, self._images)
        with self._lock:
            found = self._known.get(identity)
            if found is not None:
                self._known.move_to_end(identity)
                return found
        data = read(reference, identity)
        try:
            found = examine(data)
        except Unusable as error:
            found = str(error)
        with self._lock:
            self._known[identity] = found
            if len(self._known) > self._MOST:
                self._known.popitem(last=False)
        return found
