"""Reference images: checked before anything is paid, and prepared once for all rows."""

from batchgen.references.inspector import Inspector
from batchgen.references.loading import Unusable
from batchgen.references.reference_cache import ReferenceCache
from batchgen.references.support import why_unsupported

__all__ = ["Inspector", "ReferenceCache", "Unusable", "why_unsupported"]
