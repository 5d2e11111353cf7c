"""The summary of a run, and its exit code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from batchgen.addresses.characters import visible_line
from batchgen.cli.carry_on import budget_advice, carry_on_after, current_command
from batchgen.cli.formatting import (
    cause_lines,
    counted,
    counted_rows,
    either,
    money_lines,
    quoted,
    retry_line,
    rows_line,
)
from batchgen.cli.messages import write_error, write_result
from batchgen.cli.signals import exit_code, stopped_line
from batchgen.cli.table_places import FileOf, file_of_row, read_starts
from batchgen.errors import (
    BudgetReached,
    CertificateRejected,
    CredentialRejected,
    LedgerMissing,
    LinksUnreachable,
    ModelGone,
    NearlyAllFailed,
    OutOfCredit,
    ProviderStopped,
    ProxyRejected,
    QuotaReached,
    Unreachable,
    UnusableReplies,
    UsageError,
    WrongAddress,
)
from batchgen.ledger import Totals
from batchgen.manifest.wording import files_shown
from batchgen.model import Job, Status, dollars
from batchgen.output import ARCHIVE, TABLE
from batchgen.output.table_formats import table_copy
from batchgen.providers import key_variable
from batchgen.runner.config import CutReading, RunResult
from batchgen.runner.folder import read_ledger
from batchgen.runner.message_parts import split_message
from batchgen.runner.row_causes import Cause, causes_among
from batchgen.runner.shell_quoting import quoted_word
from batchgen.storage.chosen_tables import chosen_tables

WRONG_JOB = (
    CertificateRejected,
    ModelGone,
    ProxyRejected,
    Unreachable,
    UnusableReplies,
    WrongAddress,
)
"""Stops that a key or credit cannot solve."""


@dataclass(frozen=True, slots=True)
class RehearsalResult:
    """What a rehearsal shows besides the results of the rows.

    Attributes:
        bill: What the sandbox says that the whole folder cost, in nano-dollars.
        real_run: What a real run needs, and what would stop it, in sentences.
    """

    bill: int
    real_run: Sequence[str] = ()


End = Callable[[Job, RunResult, RehearsalResult | None], int]
"""Shows how a job ended; returns the exit code."""


def show_summary(
    job: Job,
    result: RunResult,
    rehearsed: RehearsalResult | None,
    causes: Sequence[Cause],
) -> None:
    """Write the summary to stdout; why rows did not succeed stands last."""
    totals = result.totals
    is_early = result.error is not None or result.cut is not None
    if totals is None or (is_early and not totals.rows):
        return  # no row was read: the last lines say all that there is to say
    lines = [rows_line(totals), *money_lines(totals)]
    if rehearsed is not None:
        lines.append(_bill_line(totals, rehearsed.bill))
    archive = f"{counted(totals.images, 'image')} in {job.out / ARCHIVE}"
    lines += [archive if totals.images else "no images", _table_line(job, result)]
    lines += [f"the same as {path}" for path in table_copies(job.out, result)]
    write_result("\n".join([*lines, *cause_lines(causes, _files(job))]))


def _files(job: Job) -> FileOf:
    if not job.more_tables:
        return file_of_row(job, ())
    with closing(read_ledger(job.out)) as ledger:
        return file_of_row(job, read_starts(ledger.meta.table_starts))


def table_copies(folder: Path, result: RunResult) -> list[Path]:
    """Return the result table's files in the formats that the folder has."""
    if isinstance(result.error, LedgerMissing):
        return []
    with closing(read_ledger(folder)) as ledger:
        return [folder / table_copy(name) for name in chosen_tables(ledger)]


def _table_line(job: Job, result: RunResult) -> str:
    line = f"table: {job.out / TABLE}"
    if (cut := result.cut) is None:
        return line
    if not cut.counts:
        return f"{line} (of the manifest as it was before its last change)"
    rows = counted_rows(result.rows_in_table or cut.rows)
    return f"{line} (the first {rows}, as the manifest is not read to its end)"


def _cut_line(job: Job, cut: CutReading) -> str:
    file = files_shown(job.tables)
    if not cut.rows:
        return f"stopped before rows of {file} were read; the same command begins anew"
    rows = f"{counted_rows(cut.rows)} of it {either(cut.rows, 'is', 'are')} read"
    return (
        f"stopped while reading {file}: {rows}; the same command carries on from there"
    )


def causes_in(job: Job, result: RunResult) -> Sequence[Cause]:
    """Return why rows in scope did not succeed, from the ledger."""
    if result.totals is None or isinstance(result.error, LedgerMissing):
        return []
    with closing(read_ledger(job.out)) as ledger:
        end = job.rows_in_scope if result.scope is None else result.scope
        return causes_among(ledger, result.totals.rows, end)


def show_real_run(rehearsed: RehearsalResult | None) -> None:
    """Write what a real run needs, which the rehearsal cannot show."""
    if rehearsed is not None and rehearsed.real_run:
        write_result("\n".join(rehearsed.real_run))


def _bill_line(totals: Totals, bill: int) -> str:
    spent = totals.spent + totals.superseded
    line = f"the sandbox's bill: {dollars(bill, pretend=True)}"
    if bill == spent:
        return f"{line}, the same to the nano-dollar"
    if spent < bill <= spent + totals.at_risk:
        more = dollars(bill - spent, pretend=True)
        return f"{line}: {more} of what was unclear was charged"
    return f"{line}, WHICH DOES NOT AGREE: please report this"


def finish(job: Job, result: RunResult, causes: Sequence[Cause] = ()) -> int:
    """Write why the run ended and how to carry on; return the exit code."""
    totals = result.totals
    rows = totals.rows if totals else {}
    count = sum(rows.values())
    is_complete = count == rows.get(Status.SUCCEEDED, 0)
    for variable in sorted(result.missing_keys):
        write_error(f"tasks of an earlier run wait for their key: set {variable}")
    for name, address in sorted(result.unnamed_places):
        option = quoted_word(visible_line(f"{name}={address}"))
        write_error(
            f"tasks of an earlier run wait at {visible_line(address)}, which only this "
            "run folder names: no key is sent there. If the address is right, add "
            f"--base-url {option}"
        )
    code = _code(result, is_complete=is_complete)
    for line in _reasons(result):
        write_error(f"batchgen: {line}")
    if result.cut is not None:
        write_error(f"batchgen: {_cut_line(job, result.cut)}")
    if rows.get(Status.PENDING) or result.cut is not None:
        write_result(f"to carry on:\n  {carry_on_after(job.out, result)}")
    if (again := retry_line(job.out, causes)) is not None:
        write_result(again)
    return code


ADVICE: Mapping[type[ProviderStopped], str] = {
    CredentialRejected: "check {variable}",
    OutOfCredit: "top up the account",
    QuotaReached: "it returns with the next day; the same command carries on then",
    ModelGone: "name another --model, or check --base-url",
    WrongAddress: "check --base-url",
    UnusableReplies: "look at `message` in the table before you carry on",
    Unreachable: "check the network and --base-url",
    LinksUnreachable: "the links are kept, and the next run tries them again",
    CertificateRejected: "nothing was sent there; mend it, and carry on",
    ProxyRejected: "nothing was sent there; mend it, and carry on",
}
"""Advice to the user by the reason for which a provider stopped."""


def _words(stopped: ProviderStopped) -> str:
    return quoted(split_message(stopped.kind, stopped.message))


def _advice(stopped: ProviderStopped) -> str:
    return ADVICE[type(stopped)].format(variable=key_variable(stopped.provider))


def _reasons(result: RunResult) -> list[str]:
    lines = []
    if result.stop_reason is not None:
        lines.append(stopped_line(result.stop_reason))
    lines += [
        f"stopped: {stopped.provider}: {_words(stopped)} ({stopped.kind}); "
        f"{_advice(stopped)}"
        for stopped in result.stopped
    ]
    if isinstance(result.error, BudgetReached):
        what_to_do = budget_advice(result.error, result.required, current_command())
        lines.append(f"the budget is reached: {result.error}; {what_to_do}")
    elif result.error is not None:
        lines.append(str(result.error))
    return lines


def _code(result: RunResult, *, is_complete: bool) -> int:
    stopped_all = result.provider_count and len(result.stopped) == result.provider_count
    gone = any(isinstance(stopped, WRONG_JOB) for stopped in result.stopped)
    error = result.error
    if error is not None and not isinstance(error, BudgetReached | NearlyAllFailed):
        return 2 if isinstance(error, UsageError) else 1
    if stopped_all and gone:
        return 1
    if result.stop_reason is not None:
        return exit_code(result.stop_reason)
    links_alone = any(isinstance(stop, LinksUnreachable) for stop in result.stopped)
    if stopped_all and not links_alone:
        return 5
    if isinstance(error, BudgetReached):
        return 4
    return 0 if is_complete else 3
