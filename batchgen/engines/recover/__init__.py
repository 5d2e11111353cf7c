"""Build a new ledger for a run folder whose ledger was lost."""

from batchgen.engines.recover.recovery import Recovery, recover_folder
from batchgen.engines.recover.recovery_report import RecoveryReport
from batchgen.engines.recover.remains import Remains, read_remains

__all__ = ["Recovery", "RecoveryReport", "Remains", "read_remains", "recover_folder"]
