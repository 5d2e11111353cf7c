"""Read an object of a cloud store: s3://, gs://, az://.

The credentials are the user's own, where the tools of these clouds look for them. No
provider's key is among them.
"""

from __future__ import annotations

from collections.abc import Iterator

from batchgen.errors import SpecError

SCHEMES = ("s3", "gs", "az")
_BLOCK_BYTES = 4 << 20


def read_object(url: str) -> Iterator[bytes]:
    """Yield the content of an object in blocks.

    Raises:
        SpecError: it cannot be read, or the extra `cloud` is not installed.
    """
    try:
        # Imported here: an extra, for tables in a cloud alone.
        from obstore import get
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as error:
        raise SpecError(
            f"{url}: tables in a cloud need more of batchgen: pip install "
            "'batchgen[cloud]'; or download the table, and name that file"
        ) from error
    scheme, _, place = url.partition("://")
    bucket, _, path = place.partition("/")
    try:
        store = from_url(f"{scheme}://{bucket}")
        for block in get(store, path).stream(min_chunk_size=_BLOCK_BYTES):
            yield bytes(block)
    except (BaseError, ValueError, OSError) as error:
        reason = " ".join(str(error).partition("Debug source")[0].split())
        raise SpecError(
            f"{url} cannot be read: {reason}. Credentials come from the environment, "
            "as for the tools of that cloud; or download the table, and name that file"
        ) from error
