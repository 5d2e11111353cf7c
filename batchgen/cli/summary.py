"""What a run came to, in words and as an exit code."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batchgen.cli.runfolder import this_command
from batchgen.cli.streams import write_error, write_result
from batchgen.cli.words import counted, counted_rows, money_lines, rows_line
from batchgen.engines.causes import Cause, causes_of
from batchgen.engines.estimate import EVERY_ROW
from batchgen.engines.findings import Problem, problems_in
from batchgen.engines.folder import read_ledger
from batchgen.engines.setting import CutReading, Outcome
from batchgen.engines.stops import exit_code
from batchgen.errors import (
    BudgetReached,
    CredentialRejected,
    ModelGone,
    NearlyAllFailed,
    OutOfCredit,
    ProviderStopped,
    QuotaReached,
    Unreachable,
    UnusableReplies,
    UsageError,
    WrongAddress,
)
from batchgen.ledger import Totals
from batchgen.manifest.wording import shown
from batchgen.model import Job, Status, dollars
from batchgen.output import ARCHIVE, TABLE
from batchgen.provider import key_variable

PROBLEMS_SHOWN = 5
CAUSES_SHOWN = 10

UNSUCCESSFUL = (Status.FAILED, Status.REFUSED, Status.HELD)

HOPELESS: Mapping[str, str] = {
    "refused": ". The same prompt would be refused again",
    "request_invalid": ". Trying again will not help: mend the row",
}
"""What more is to be said of errors that the same request meets again."""

WRONG_JOB = (ModelGone, WrongAddress, UnusableReplies, Unreachable)
"""Stops that no key and no credit mend."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What the sandbox says that the whole folder cost, in nano-dollars."""

    nano: int


def problem_lines(job: Job, problems: Sequence[Problem], invalid: int) -> list[str]:
    """Return a line for each row that cannot run, and how many more there are."""
    file = shown(job.manifest)
    lines = []
    for it in problems:
        if job.limit is not None and it.row >= job.limit:
            break
        line = "" if it.line is None else f", line {it.line}"
        column = f", column `{it.column}`" if it.column else ""
        lines.append(f"  {file}, row {it.row}{line}{column}: {it.message}")
    hidden = invalid - len(problems)
    return [*lines, f"  and {hidden} more"] if hidden > 0 else lines


def show_summary(job: Job, outcome: Outcome, bill: Bill | None) -> None:
    """Write the summary to stdout."""
    totals = outcome.totals
    is_early = outcome.error is not None or outcome.cut is not None
    if totals is None or (is_early and not totals.rows):
        return  # no row was read: the last lines say all that there is to say
    lines = [rows_line(totals), *money_lines(totals)]
    if bill is not None:
        lines.append(_bill_line(totals, bill))
    if invalid := totals.rows.get(Status.INVALID, 0):
        lines.append(f"{counted(invalid, 'row')} cannot run:")
        lines += problem_lines(job, _problems(job), invalid)
    archive = f"{counted(totals.images, 'image')} in {job.out / ARCHIVE}"
    lines += [archive if totals.images else "no images", _table_line(job, outcome)]
    if any(totals.rows.get(status) for status in UNSUCCESSFUL):
        lines += _cause_lines(job)
    write_result("\n".join(lines))


def _table_line(job: Job, outcome: Outcome) -> str:
    line = f"table: {job.out / TABLE}"
    if (cut := outcome.cut) is None:
        return line
    if not cut.counts:
        return f"{line} (of the manifest as it was before its last change)"
    rows = counted_rows(outcome.rows_in_table or cut.rows)
    return f"{line} (the first {rows}, as the manifest is not read to its end)"


def _cut_line(job: Job, cut: CutReading) -> str:
    file = shown(job.manifest)
    if not cut.rows:
        return f"stopped before rows of {file} were read; the same command begins anew"
    rows = f"{counted_rows(cut.rows)} of it {'is' if cut.rows == 1 else 'are'} read"
    return (
        f"stopped while reading {file}: {rows}; the same command carries on from there"
    )


def _cause_lines(job: Job) -> list[str]:
    """Return why rows did not succeed, the commonest causes first."""
    ledger = read_ledger(job.out)
    try:
        causes = causes_of(ledger, EVERY_ROW if job.limit is None else job.limit)
    finally:
        ledger.close()
    lines = [_cause_line(cause) for cause in causes[:CAUSES_SHOWN]]
    hidden = sum(cause.rows for cause in causes[CAUSES_SHOWN:])
    if hidden:
        rows = counted(hidden, "row")
        lines.append(f"  and {rows} for other reasons: see `message` in the table")
    return lines


def _cause_line(cause: Cause) -> str:
    """Say why rows ended so, in the provider's words, and which the first ones are."""
    examples = ", ".join(map(str, cause.examples))
    more = ", ..." if cause.rows > len(cause.examples) else ""
    which = f"{'row' if cause.rows == 1 else 'rows'} {examples}{more}"
    words = f'"{cause.message}"' if cause.message else f"({cause.error})"
    who = f"{cause.provider} " if cause.provider else ""
    advice = HOPELESS.get(cause.error or "", "")
    return f"{cause.rows} {cause.status}: {who}{words} ({which}){advice}"


def _problems(job: Job) -> list[Problem]:
    ledger = read_ledger(job.out)
    try:
        return problems_in(ledger, PROBLEMS_SHOWN)
    finally:
        ledger.close()


def _bill_line(totals: Totals, bill: Bill) -> str:
    spent = totals.spent + totals.retired
    words = f"the sandbox's bill: {dollars(bill.nano)}"
    if bill.nano == spent:
        return f"{words}, the same to the nano-dollar"
    if spent < bill.nano <= spent + totals.at_risk:
        return f"{words}: {dollars(bill.nano - spent)} of what is at risk was charged"
    return f"{words}, WHICH DOES NOT AGREE: please report this"


def finish(job: Job, outcome: Outcome) -> int:
    """Say why it ended and how to carry on; return the exit code."""
    totals = outcome.totals
    rows = totals.rows if totals else {}
    count = sum(rows.values())
    whole = count == rows.get(Status.SUCCEEDED, 0)
    for variable in outcome.left:
        write_error(f"tasks of an earlier run wait for their key: set {variable}")
    code = _code(outcome, whole=whole)
    for line in _reasons(outcome):
        write_error(f"batchgen: {line}")
    if outcome.cut is not None:
        write_error(f"batchgen: {_cut_line(job, outcome.cut)}")
    if rows.get(Status.PENDING) or outcome.cut is not None:
        write_result(f"to carry on:\n  {this_command()}")
    # Not the refused ones: the same prompt would be refused again.
    tried = [it for it in (Status.FAILED, Status.HELD) if rows.get(it)]
    if tried:
        flags = [word for it in tried for word in ("--status", it.value)]
        command = shlex.join(["batchgen", "retry", str(job.out), *flags])
        write_result(f"to try {' and '.join(tried)} rows again:\n  {command}")
    return code


ADVICE: Mapping[type[ProviderStopped], str] = {
    CredentialRejected: "check {variable}",
    OutOfCredit: "top up the account",
    QuotaReached: "it returns with the next day; the same command carries on then",
    ModelGone: "name another --model, or check --base-url",
    WrongAddress: "check --base-url",
    UnusableReplies: "look at `message` in the table before you carry on",
    Unreachable: "check the network and --base-url",
}
"""What a person can do about a provider that stopped."""


def _advice(stopped: ProviderStopped) -> str:
    return ADVICE[type(stopped)].format(variable=key_variable(stopped.provider))


def _reasons(outcome: Outcome) -> list[str]:
    lines = []
    if outcome.signal is not None:
        lines.append(f"stopped by {outcome.signal.name}")
    lines += [
        f"stopped: {stopped} ({stopped.kind}); {_advice(stopped)}"
        for stopped in outcome.stopped
    ]
    if isinstance(outcome.error, BudgetReached):
        lines.append(f"the budget is reached: {outcome.error}; {outcome.error.way_out}")
    elif outcome.error is not None:
        lines.append(str(outcome.error))
    return lines


def _code(outcome: Outcome, *, whole: bool) -> int:
    stopped_all = outcome.chosen and len(outcome.stopped) == outcome.chosen
    gone = any(isinstance(stopped, WRONG_JOB) for stopped in outcome.stopped)
    error = outcome.error
    if error is not None and not isinstance(error, BudgetReached | NearlyAllFailed):
        return 2 if isinstance(error, UsageError) else 1
    if stopped_all and gone:
        return 1
    if outcome.signal is not None:
        return exit_code(outcome.signal)
    if stopped_all:
        return 5
    if isinstance(error, BudgetReached):
        return 4
    return 0 if whole else 3
