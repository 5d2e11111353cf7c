"""Local HTTP servers that speak the providers' protocols and keep a bill.

A second, separate reading of each protocol: nothing here imports anything of the
rest of batchgen, so that a field misread there is not misread here, too.
"""

from batchgen.sandbox.child_process import (
    KEY,
    SandboxFailed,
    SandboxProcess,
    start_sandbox,
)

__all__ = ["KEY", "SandboxFailed", "SandboxProcess", "start_sandbox"]
