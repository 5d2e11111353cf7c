"""A local HTTP server that speaks the providers' protocols and keeps a bill.

It is a second, separate implementation of each protocol, and imports nothing that the
client side uses. So a mistake in reading a provider's documents is not made twice.
"""

from batchgen.sandbox.child_process import (
    KEY,
    SandboxFailed,
    SandboxProcess,
    start_sandbox,
)

__all__ = ["KEY", "SandboxFailed", "SandboxProcess", "start_sandbox"]
