"""What a check found, and how it is shown."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How one check ended.

    Attributes:
        problem: What went wrong; empty where nothing did.
        skipped: Why it was not tried; empty where it was.
    """

    name: str
    problem: str = ""
    skipped: str = ""


class Failed(AssertionError):
    """A check did not find what it looked for; the text says what."""


class NotTried(Exception):
    """A check cannot be made here; the text says why."""


def expect(condition: object, problem: object) -> None:
    """Fail with words unless a condition holds.

    Raises:
        Failed: It does not.
    """
    if not condition:
        raise Failed(str(problem))


def run_check(name: str, check: Callable[[], None]) -> Finding:
    """Run one check to its end; a fault of the check itself is a problem, too."""
    try:
        check()
    except NotTried as reason:
        return Finding(name=name, skipped=str(reason))
    except Failed as error:
        return Finding(name=name, problem=str(error))
    except Exception:  # noqa: BLE001  the checks after it are to run all the same
        return Finding(name=name, problem=traceback.format_exc(limit=-3))
    return Finding(name=name)


def show(findings: Iterable[Finding]) -> int:
    """Print one line for each finding as it comes, and return the exit code."""
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    for finding in findings:
        word = "FAIL" if finding.problem else "skip" if finding.skipped else "ok"
        counts[word] += 1
        reason = finding.problem or finding.skipped
        reason = " | ".join(line.strip() for line in reason.splitlines())
        line = f"{word:<4} {finding.name}" + (f": {reason}" if reason else "")
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    totals = f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped"
    sys.stdout.write(f"{totals}\n")
    return int(counts["FAIL"] > 0)
