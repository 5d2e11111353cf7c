"""Let calls of the file system fail in real processes, by a preloaded library."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.command import KEY, Ended, batchgen

_SOURCE = Path(__file__).with_name("shim.c")


@dataclass(frozen=True, slots=True)
class Fault:
    """What a call answers.

    Attributes:
        call: One of the shim's names for calls that do the same, such as `write`.
        pattern: Which files, as the shell matches whole paths.
        error: The name of an errno.
        skip: How many such calls go well before.
        times: How often it fails; 0 for each time.
        after: A file below the working directory that must hold something before.
    """

    call: str
    pattern: str
    error: str
    skip: int = 0
    times: int = 0
    after: str | None = None

    def rule(self, at: Path) -> str:
        """Return it as the library reads it."""
        number = getattr(errno, self.error)
        after = "-" if self.after is None else at / self.after
        return f"{self.call} {self.pattern} {number} {self.skip} {self.times} {after}"


@dataclass(frozen=True, slots=True)
class FaultySystem:
    """Runs commands on a file system with faults."""

    library: Path

    def batchgen(self, *words: str | Path, at: Path, faults: list[Fault]) -> Ended:
        """Run a command whose calls fail; at least one of the faults must be met."""
        log = at / "faults.log"
        variables = {
            "FILE_SYSTEM_FAULTS": "\n".join(fault.rule(at) for fault in faults),
            "FILE_SYSTEM_FAULTS_LOG": str(log),
        }
        ended = batchgen(
            *words, at=at, key=KEY, preload=self.library, variables=variables
        )
        assert log.exists(), "a fault that nothing meets"
        return ended


def build(folder: Path) -> FaultySystem:
    """Compile the library, or skip the test where that cannot be done."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs Linux and a C compiler")
    library = folder / "shim.so"
    options = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror"]
    command = [compiler, *options, "-o", str(library), str(_SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "dlfcn.h" in done.stderr:
        pytest.skip("needs the headers of the C library")
    assert not done.returncode, done.stderr
    probe = subprocess.run(
        ["cat", os.devnull],
        env={**os.environ, "LD_PRELOAD": str(library)},
        capture_output=True,
        check=False,
    )
    if probe.returncode or probe.stderr:
        pytest.skip("this C library cannot preload it")
    return FaultySystem(library)
