"""Reference images: looked at before anything is paid, and made ready once."""

from batchgen.references.facts import Facts, Unusable
from batchgen.references.inspector import Inspector
from batchgen.references.judge import judge
from batchgen.references.reference_cache import Larder

__all__ = ["Facts", "Inspector", "Larder", "Unusable", "judge"]
