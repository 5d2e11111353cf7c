"""Run all checks of one provider at a sandbox of its own."""

from __future__ import annotations

import logging
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio

from batchgen.admission.next_step import short_waits
from batchgen.errors import BatchgenError
from batchgen.sandbox import SandboxProcess, start_sandbox
from batchgen.sandbox.services import all_services
from batchgen.verify.books import CheckFailed
from batchgen.verify.checks import Check, checks_of
from batchgen.verify.customer import Customer


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a check.

    Attributes:
        problem: Why the check failed; None if it passed.
    """

    name: str
    problem: str | None
    seconds: float


def has_sandbox(provider: str) -> bool:
    """Return whether there is a sandbox for a provider, which verification needs."""
    return provider in all_services()


def verify(provider: str) -> Iterator[Result]:
    """Run each check of a provider that has a sandbox, and yield its result.

    Raises:
        SandboxFailed: The sandbox did not start.
    """
    logging.getLogger("batchgen.run").addHandler(logging.NullHandler())
    checks = deque(checks_of(provider))
    with tempfile.TemporaryDirectory(prefix="batchgen-verify-") as name:
        while checks:
            # After a failed check, the next one gets a new sandbox.
            with start_sandbox(Path(name) / f"{len(checks)}", latency=0.0) as sandbox:
                yield from _until_one_fails(checks, Path(name), sandbox, provider)


def _until_one_fails(
    checks: deque[Check], folder: Path, sandbox: SandboxProcess, provider: str
) -> Iterator[Result]:
    problem = None
    while checks and problem is None:
        check, started_at = checks.popleft(), time.monotonic()
        check_folder = folder / f"{len(checks)}-run"
        check_folder.mkdir()
        problem = _problem_of(check, check_folder, sandbox, provider)
        yield Result(check.name, problem, time.monotonic() - started_at)


def _problem_of(
    check: Check, folder: Path, sandbox: SandboxProcess, provider: str
) -> str | None:
    try:
        with short_waits():
            anyio.run(check.run, Customer(folder, sandbox, provider))
    except (CheckFailed, BatchgenError, TimeoutError) as error:
        return str(error) or type(error).__name__
    except Exception as error:  # noqa: BLE001 - a fault of the provider is a result
        return f"unexpected {type(error).__name__}: {error}"
    unused = sandbox.faults()["queued"]
    return f"no request had the faults {unused}" if unused else None
