"""Build a new ledger for a run folder whose ledger was lost."""

from batchgen.engines.recover.folder import Recovery, recover_folder
from batchgen.engines.recover.recovered import Recovered
from batchgen.engines.recover.remains import Remains, read_remains

__all__ = ["Recovered", "Recovery", "Remains", "read_remains", "recover_folder"]
