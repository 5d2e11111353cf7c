"""`batchgen providers NAME --verify`: each check of a provider, and how it ended."""

from __future__ import annotations

import click

from batchgen.errors import UsageError
from batchgen.verify.all_checks import has_sandbox, verify


def verify_provider(name: str | None, *, as_json: bool) -> None:
    """Print a line for each check; end with 1 if one failed.

    Raises:
        UsageError: There is nothing to verify.
    """
    if name is None or as_json:
        raise UsageError(
            "--verify takes one provider: batchgen providers NAME --verify"
        )
    if not has_sandbox(name):
        raise UsageError(
            f"{name} cannot be verified: its package brings no sandbox (an entry point "
            "of the group batchgen.sandboxes)"
        )
    failed = 0
    for result in verify(name):
        failed += result.problem is not None
        state = "ok" if result.problem is None else f"FAILED: {result.problem}"
        click.echo(f"{result.name}: {state}")
    if failed:
        raise SystemExit(1)
