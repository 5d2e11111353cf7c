"""Commands as processes of their own that find all modules loaded.

Most of what a short command costs is imports, and the tests give hundreds of them. One
process for each worker of pytest imports everything, starts no thread, opens nothing,
and is forked for each command: what is forked has its own arguments, environment,
folder and streams, and ends as Python ends. That a fresh process works, too, is shown
by the tests that start one: those of signals, terminals, streams and kills.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from select import select

HASTE = "BATCHGEN_TESTS_HASTE"
"""Tells a process that is forked how much faster its time runs."""

MODULES = (
    "anyio._backends._asyncio",
    "rich.live",
    "rich.progress_bar",
    "batchgen.runner.rehearsal",
    *(
        f"batchgen.cli.{name}"
        for name in (
            *("run", "check", "status", "report", "retry", "costs", "reconcile"),
            *("try_", "curl", "providers"),
        )
    ),
    "batchgen.billing.balances",
    "batchgen.manifest.parquet_source",
    "batchgen.manifest.template",
    "batchgen.references.shrink",
    "batchgen.storage.outputs",
    "batchgen.report",
    "batchgen.cli.usage",
    "certifi",
    "encodings.idna",
    "encodings.utf_8_sig",
    "importlib.resources.readers",
    # Pillow loads what reads a file's format with the first image.
    *(f"PIL.{name}ImagePlugin" for name in ("Bmp", "Gif", "Jpeg", "Png", "WebP")),
    # pyarrow loads it with the first table that it makes, where it is installed: two
    # thirds of what a short run costs.
    "pandas",
    "pyarrow.pandas_compat",
)


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def terminal(self) -> str:
        return f"{self.stdout}\n{self.stderr}"

    @property
    def message(self) -> str:
        """Return the one message on stderr, without the name that says it."""
        lines = self.stderr.splitlines()
        assert len(lines) == 1, self.stderr
        assert lines[0].startswith("batchgen: "), self.stderr
        return lines[0].removeprefix("batchgen: ")


@cache
def _stable(_: int, preload: Path | None) -> subprocess.Popen[str]:
    # It ends with its standard input, and so with whoever started it.
    process = subprocess.Popen(
        [sys.executable, "-P", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | ({"LD_PRELOAD": str(preload)} if preload else {}),
    )
    _processes.append(process)
    return process


_processes: list[subprocess.Popen[str]] = []


def call(
    words: Sequence[str],
    *,
    at: Path,
    env: Mapping[str, str],
    within_s: float,
    preload: Path | None = None,
    haste: float = 1,
) -> Ended:
    """Give a command and wait for its end, with nobody at the keyboard.

    Args:
        words: The arguments.
        at: The working directory.
        env: The whole environment.
        within_s: How long it may take.
        preload: A library whose functions take the place of the system's.
        haste: How much faster time runs in it: sleeps, deadlines, pauses between tries
            and intervals of polls keep their order and proportions, and nothing is
            left out. Not where a clock outside judges, such as that of a rate.
    """
    stable = _stable(os.getpid(), preload)
    assert stable.stdin is not None
    assert stable.stdout is not None
    with tempfile.TemporaryDirectory() as folder:
        out, err, pid = (Path(folder) / name for name in ("out", "err", "pid"))
        environment = {**env} if haste == 1 else {**env, HASTE: str(haste)}
        errand = [[*words], str(at), environment, str(pid), str(out), str(err)]
        stable.stdin.write(json.dumps(errand) + "\n")
        stable.stdin.flush()
        if not select([stable.stdout], [], [], within_s)[0]:
            # Its parent waits for it, and can be forked from again then.
            os.kill(int(pid.read_text()), signal.SIGKILL)
            stable.stdout.readline()
            raise TimeoutError(f"{words} took longer than {within_s} s")
        code = int(stable.stdout.readline())
        return Ended(code, out.read_text("utf-8"), err.read_text("utf-8"))


def end() -> None:
    """End the processes that are forked, if any were started."""
    for process in _processes:
        process.communicate()
    _processes.clear()
    _stable.cache_clear()


def import_all() -> None:
    """Load what commands load, so that those that are forked find it."""
    import gc
    import importlib

    for name in MODULES:
        importlib.import_module(name)
    gc.freeze()


def main() -> None:
    """Run the commands that stdin names, one after the other."""
    import_all()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(*json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(
    words: list[str],
    folder: str,
    environment: dict[str, str],
    pid: str,
    *streams: str,
) -> None:
    Path(pid).write_text(str(os.getpid()))
    out, err = streams
    flags = os.O_WRONLY | os.O_CREAT
    for descriptor, opened in enumerate(
        (os.open(os.devnull, os.O_RDONLY), os.open(out, flags), os.open(err, flags))
    ):
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if (factor := os.environ.pop(HASTE, None)) is not None:
        _hasten(float(factor))
    sys.argv = ["batchgen", *words]
    from batchgen.cli import main as batchgen

    batchgen()


def _hasten(factor: float) -> None:
    """Let the clock of each event loop of this process run faster."""
    import asyncio  # noqa: TID251 - the clock is its loop's
    import selectors
    import time

    class Selector(selectors.DefaultSelector):
        def select(
            self, timeout: float | None = None
        ) -> list[tuple[selectors.SelectorKey, int]]:
            return super().select(timeout and timeout / factor)

    class Loop(asyncio.SelectorEventLoop):
        def __init__(self) -> None:
            super().__init__(Selector())

        def time(self) -> float:
            return time.monotonic() * factor

    class Policy(asyncio.DefaultEventLoopPolicy):
        _loop_factory = Loop

    asyncio.set_event_loop_policy(Policy())


if __name__ == "__main__":
    main()
