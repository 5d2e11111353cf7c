"""Tell a shortage of open files from a fault of the file that was to be read."""

from __future__ import annotations

from batchgen.errors import StorageError
from batchgen.open_files import is_shortage, shortage_message


def refuse_shortage(error: OSError) -> None:
    """Stop the command where an error says that no more files can be opened.

    Raises:
        StorageError: the error says so.
    """
    if is_shortage(error):
        raise StorageError(shortage_message()) from error
