"""Build a new ledger for a run folder whose ledger was lost."""

from batchgen.runner.recover.recovery import Recovery, recover_folder
from batchgen.runner.recover.recovery_report import RecoveryReport
from batchgen.runner.recover.remains import Remains, read_remains

__all__ = ["Recovery", "RecoveryReport", "Remains", "read_remains", "recover_folder"]
