"""Processes that start at once: what they import is imported once, then forked.

A test that kills a hundred runs would wait for a hundred times a second of imports.
Each run is a process of its own all the same, and its SIGKILL is a real one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Timer

from tests.crash.at import run_at
from tests.crash.power import note_syncs
from tests.warm import Ended, import_all

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A command of batchgen, where it is given, and where it is killed.

    Attributes:
        point: Where it is killed; None lets it end.
        notes: File for the syncs that it makes; None for no notes.
        after_s: When it is killed, wherever it is then; None for never.
    """

    folder: Path
    arguments: tuple[str, ...]
    point: str | None = None
    nth: int = 1
    after_s: float | None = None
    notes: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stable:
    """Where errands are run, one after the other."""

    process: subprocess.Popen[str]

    def run(self, errand: Errand) -> Ended:
        """Wait for an errand's end; its code is -9 where it was killed."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(asdict(errand), default=str) + "\n")
        stdin.flush()
        code = int(stdout.readline())
        out, err = (errand.folder / name for name in ("stdout", "stderr"))
        return Ended(code, out.read_text(), err.read_text())


@contextmanager
def open_stable() -> Iterator[Stable]:
    """Keep a stable while the block lasts."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith("_KEY") and not name.lower().endswith("_proxy")
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.stable"],
        cwd=_ROOT,
        env={**environment, "BATCHGEN_LOOPBACK_ONLY": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield Stable(process)
        assert process.stdin is not None
        process.stdin.close()


def main() -> None:
    """Run the errands that stdin names, and tell each one's exit code."""
    import_all()
    for line in sys.stdin:
        errand = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(errand)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _run(errand: dict[str, object]) -> None:
    folder, after_s = str(errand["folder"]), errand["after_s"]
    arguments, environment = errand["arguments"], errand["environment"]
    assert isinstance(arguments, list)
    assert isinstance(environment, dict)
    os.chdir(folder)
    os.environ.update(environment)
    code = 70
    try:
        for descriptor, name in ((0, os.devnull), (1, "stdout"), (2, "stderr")):
            flags = os.O_RDWR if descriptor == 0 else os.O_WRONLY | os.O_CREAT
            opened = os.open(name, flags | (os.O_TRUNC if descriptor else 0), 0o644)
            os.dup2(opened, descriptor)
            os.close(opened)
        point = errand["point"]
        if isinstance(after_s, float):
            _kill_itself(after_s)
        if errand["notes"] is not None:
            note_syncs(Path(str(errand["notes"])))
        run_at(
            None if point is None else str(point),
            int(str(errand["nth"])),
            None,
            arguments,
        )
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 70
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _kill_itself(after_s: float) -> None:
    timer = Timer(after_s, os.kill, (os.getpid(), signal.SIGKILL))
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    main()
