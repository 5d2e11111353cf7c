"""Where no file is left to be opened, nothing that was to be read is to blame."""

from __future__ import annotations

from batchgen.errors import StorageError
from batchgen.open_files import is_shortage, shortage_words


def refuse_shortage(error: OSError) -> None:
    """Stop the command where an error tells that no file is left to be opened.

    Raises:
        StorageError: it does.
    """
    if is_shortage(error):
        raise StorageError(shortage_words()) from error
