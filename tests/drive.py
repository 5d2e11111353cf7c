"""How tests drive batchgen: a command to its end, one under way, a run in this process.

Commands are given as a user gives them, as processes of their own. What waits for the
end of a command starts no Python of its own (`tests.warm`); what is to be looked at,
stopped or killed on its way is a fresh process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchgen.ledger.estimate import Estimate
from batchgen.model import Job, PriceList
from batchgen.providers import PROVIDERS, key_variable
from batchgen.providers.base import Provider
from batchgen.runner.config import RunConfig, RunResult
from batchgen.runner.engine import Engine
from batchgen.runner.folder import open_folder
from tests.warm import Ended, call

COMMAND = (sys.executable, "-P", "-m", "batchgen")
HASTE = 8.0
"""How much faster time runs in commands whose end is waited for."""
WITHIN_S = 120.0
"""A command that takes longer hangs; nothing else depends on it."""

_LOOK_EVERY_S = 0.001


def environment(**variables: str) -> dict[str, str]:
    """Return this environment with more variables, without proxies and other keys."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith("_KEY") and not name.lower().endswith("_proxy")
    }
    return {**inherited, "BATCHGEN_LOOPBACK_ONLY": "1", **variables}


def keys_of_all(key: str) -> dict[str, str]:
    """Return the variables that hold a key for each provider."""
    return {key_variable(name): key for name in PROVIDERS}


def run_command(
    *words: str | Path,
    at: Path,
    env: Mapping[str, str],
    within_s: float = WITHIN_S,
    preload: Path | None = None,
    haste: float = HASTE,
) -> Ended:
    """Run a command in a folder to its end, with nobody at the keyboard.

    Args:
        words: The arguments.
        at: The folder.
        env: The whole environment.
        within_s: How long it may take.
        preload: A library whose functions take the place of the system's.
        haste: How much faster its time runs: 1 where a clock outside judges it, such
            as that of a server that lets so many requests a second through.
    """
    arguments = [*map(str, words)]
    return call(
        arguments, at=at, env=env, within_s=within_s, preload=preload, haste=haste
    )


@dataclass(frozen=True, slots=True)
class Underway:
    """A command under way, and what can be seen of it from outside."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def output(self) -> tuple[str, str]:
        """Return what it has written to stdout and stderr so far."""
        out, err = (self.folder / name for name in ("stdout", "stderr"))
        return out.read_text("utf-8", "replace"), err.read_text("utf-8", "replace")

    @property
    def terminal(self) -> str:
        return "\n".join(self.output)

    def comes_to(
        self, condition: Callable[[], bool], within_s: float = WITHIN_S
    ) -> bool:
        """Wait until a condition holds; False when the process ended before that."""
        give_up = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < give_up, f"it never comes to that: {self.output}"
            try:
                self.process.wait(_LOOK_EVERY_S)
            except subprocess.TimeoutExpired:
                continue
            return False
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to its whole group, as a terminal does."""
        os.killpg(self.process.pid, number)

    def interrupt(self) -> Ended:
        """Stop it as Ctrl-C does, and wait for its end."""
        self.send(signal.SIGINT)
        ended = self.end()
        assert ended.code == 128 + signal.SIGINT, ended
        return ended

    def end(self, within_s: float = WITHIN_S) -> Ended:
        """Wait for its end."""
        code = self.process.wait(within_s)
        return Ended(code, *self.output)

    def kill(self) -> None:
        """Kill it, and nothing else, at once."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def underway(
    *words: str,
    at: Path,
    env: Mapping[str, str],
    before: Sequence[str] = (),
) -> Iterator[Underway]:
    """Run a command until the block ends; what still runs then is killed.

    Args:
        words: The arguments.
        at: The folder; what the command writes goes to `stdout` and `stderr` there.
        env: The whole environment.
        before: A command that starts it, such as nohup.
    """
    with (
        (at / "stdout").open("wb") as out,
        (at / "stderr").open("wb") as err,
        subprocess.Popen(
            [*before, *COMMAND, *words],
            cwd=at,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            process_group=0,
            stdout=out,
            stderr=err,
        ) as process,
    ):
        try:
            yield Underway(process, at)
        finally:
            process.kill()


async def run_job(
    job: Job,
    *,
    providers: Mapping[str, Provider],
    keys: Mapping[str, str],
    prices: Mapping[str, PriceList],
    **settings: Any,
) -> RunResult:
    """Run a job to its end in this process, and check what its progress shows.

    This is for what `batchgen.arun` has no keyword for: a clock, a network and a disk
    of the test's own, providers that are changed, what the engine itself returns.

    Args:
        job: The job.
        providers: Every provider that the job may use.
        keys: By provider.
        prices: By provider.
        settings: Other fields of `RunConfig`.
    """
    config = RunConfig(
        providers=providers,
        keys=keys,
        prices=prices,
        consented=True,
        ask=_never_ask,
        **settings,
    )
    with open_folder(job.out, job.source, "loopback") as folder:
        result = await Engine(job, folder, config).run()
    assert result.totals is not None
    shown = {status: count for status, count in config.progress.rows.items() if count}
    assert shown == result.totals.rows, "what is shown is not what is so"
    return result


def _never_ask(estimate: Estimate) -> None:
    raise AssertionError(f"consent was given, yet it asks: {estimate}")
