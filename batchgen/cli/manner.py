"""How a job is run, beyond what the job says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from batchgen.cli.summary import Rehearsed
from batchgen.engines.config import RunResult
from batchgen.errors import UsageError
from batchgen.model import Job

End = Callable[[Job, RunResult, Rehearsed | None], int]
"""Shows how a job ended, with the sandbox's bill after a rehearsal; the exit code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a job is run, beyond what the job says: as the options of `run`."""

    rehearse: bool = False
    faults: Literal["calm", "storm", "outage"] | None = None
    seed: int | None = None
    latency: float | Literal["real"] | None = None
    yes: bool = False
    rebuy: bool = False
    keep: bool = False
    json_lines: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        if self.rebuy and self.keep:
            raise UsageError(
                "--rebuy buys changed rows again, --keep leaves what they have: "
                "say one of them"
            )
        for name in ("faults", "seed", "latency"):
            if getattr(self, name) is not None and not self.rehearse:
                raise UsageError(f"--{name} is for rehearsals: add --rehearse")


def manner_of(given: Mapping[str, Any]) -> RunOptions:
    """Return the options of running among a command's values."""
    names = {it.name for it in fields(RunOptions)}
    return RunOptions(**{name: value for name, value in given.items() if name in names})
