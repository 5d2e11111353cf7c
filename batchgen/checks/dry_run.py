"""Plan a job on a copy of its ledger, without sending anything."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

from batchgen.budget import limits_of
from batchgen.checks.findings import (
    Duplicates,
    Findings,
    Problem,
)
from batchgen.checks.forecast import budgets_of, disk_of, forecast_of, paces_of
from batchgen.ledger import Ledger, PlanEntry, PlanWriter, Reader, Totals, new_names
from batchgen.ledger.database import copy_ledger
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.ledger.naming import rename_row
from batchgen.ledger.outstanding import first_sharing_row, sharing
from batchgen.ledger.plan import share_nothing
from batchgen.ledger.plan_findings import (
    PlanProblem,
    count_warnings,
    problems,
    renamed_rows,
    warnings,
)
from batchgen.manifest import Row, key_of
from batchgen.manifest.gaps import Gaps
from batchgen.manifest.manifest import Manifest
from batchgen.model import Job, PriceList, Status, now_micros, utc
from batchgen.model.row_scope import RowScope
from batchgen.output.member_names import folded_base_names, strip_image_extension
from batchgen.planning.plan_entries import add_all_rows
from batchgen.planning.routing import Router
from batchgen.providers.base import Provider
from batchgen.runner.folder import LEDGER
from batchgen.runner.folder_checks import refuse_without_ledger
from batchgen.runner.incomplete_rows import (
    FinishedPrompt,
    finished_prompts,
    would_refuse,
)
from batchgen.runner.manifest_edits import edit_notices, rebuy_of
from batchgen.runner.notices import choice_notices, network_problems, notices_of
from batchgen.runner.row_causes import Cause, causes_among

ALL_ROWS = -1
"""As `max_listed`: list all rows, not only the first ones."""


def check_job(
    job: Job,
    providers: Mapping[str, Provider],
    prices: Mapping[str, PriceList],
    max_listed: int,
) -> Findings:
    """Plan a job on a copy of its ledger, and return the findings.

    Args:
        job: The job.
        providers: Every provider by name.
        prices: Their price lists.
        max_listed: How many rows are listed that cannot run, and of each other kind;
            or ALL_ROWS.

    Raises:
        SpecError: the manifest cannot be read.
    """
    refuse_without_ledger(job.out / LEDGER)
    today = utc(now_micros()).date()
    with tempfile.TemporaryDirectory(prefix="batchgen-check-") as folder:
        job = replace(job, image_folder=Path(folder) / "references")
        manifest = Manifest.open(job)
        job = replace(job, scope=manifest.in_scope())
        router = Router.of(job, providers, prices, today)
        notices = [
            *(
                f"`run` would stop before anything is sent: {problem}"
                for problem in network_problems()
            ),
            *manifest.notices,
            *choice_notices(job.rows_in_scope),
            *notices_of(job, providers, today),
        ]
        copy = Path(folder) / LEDGER
        rehearsal = _copy_ledger(job, copy)
        ledger = Ledger(copy)
        gaps = Gaps() if manifest.gap_finder else None
        try:
            renamed = _plan(ledger, manifest, router, max_listed, gaps)
            end = job.rows_in_scope
            notices += edit_notices(ledger, end, ledger.generation)
            notices += manifest.advice()
            findings = _findings(ledger, router, notices, renamed, gaps, max_listed)
        finally:
            ledger.close()
    findings = replace(findings, starts=manifest.starts)
    if rehearsal is not None:
        findings = replace(findings, mode=rehearsal.mode, rehearsal=rehearsal)
    return findings


def _copy_ledger(job: Job, copy: Path) -> Totals | None:
    """Copy the folder's ledger, unless it is of a rehearsal.

    The pretend purchases of a rehearsal must not count for a real run, neither as
    bought rows nor for a budget.

    Returns:
        The totals of the folder's rehearsal; None if it holds none.
    """
    if not (job.out / LEDGER).is_file():
        return None
    # `Ledger` migrates the copy if an older batchgen wrote the ledger.
    copy_ledger(job.out / LEDGER, copy)
    with closing(Ledger(copy)) as existing:
        if not existing.is_rehearsal:
            return None
        totals = existing.totals(EVERY_ROW)
    copy.unlink()
    return totals


def _plan(
    ledger: Ledger,
    manifest: Manifest,
    router: Router,
    max_listed: int,
    gaps: Gaps | None,
) -> list[Problem]:
    """Plan all rows, count those in scope without a value, and return renamed rows."""
    end = router.job.rows_in_scope
    renamed: list[Problem] = []
    with (
        ledger.transaction(),
        # Always with `dedupe`, to know what it would save; undone later if not wanted.
        closing(PlanWriter(ledger, key_of, folded_base_names, dedupe=True)) as plan,
    ):
        rows = 0
        for part, entries in add_all_rows(plan, manifest, router):
            if gaps is not None and manifest.gap_finder is not None:
                for row in part.rows:
                    if row.position in end:
                        manifest.gap_finder.count(gaps, row.missing_columns)
            rows += len(part.rows)
            room = None if max_listed < 0 else max_listed - len(renamed)
            renamed += islice(_renamed(part.rows, entries), room)
        plan.end()
        for name in new_names(ledger, plan.generation, folded_base_names):
            rename_row(ledger, name)
        plan.complete("check", manifest.user_schema, rows)
    clashes = _clashes(ledger, manifest, max_listed)
    return sorted([*renamed, *clashes], key=lambda problem: problem.row)


def _renamed(rows: Sequence[Row], entries: Sequence[PlanEntry]) -> Iterator[Problem]:
    """Yield rows whose file name is not safe in an archive or a file system."""
    for row, entry in zip(rows, entries, strict=True):
        if row.filename and strip_image_extension(row.filename) != entry.base_name:
            notice = f"{row.filename!r} is no safe name; stored as {entry.base_name!r}"
            yield Problem(row.position, row.line, "filename", notice)


def _clashes(ledger: Reader, manifest: Manifest, max_listed: int) -> Iterator[Problem]:
    """Yield rows whose file name differs from an earlier row's at most in case."""
    column = "filename" if "filename" in manifest.states else "id"
    for row in renamed_rows(ledger, max_listed):
        base_name = row.base_name
        notice = (
            f"{base_name.rpartition('~')[0]!r} is the file name of an earlier row, "
            f"too; stored as {base_name!r}"
        )
        yield Problem(row.position, row.line, column, notice)


def _findings(
    ledger: Ledger,
    router: Router,
    notices: Sequence[str],
    renamed: list[Problem],
    gaps: Gaps | None,
    max_listed: int,
) -> Findings:
    job = router.job
    end = job.rows_in_scope
    generation = ledger.generation
    duplicates = _duplicates(ledger, end)
    if not job.dedupe:
        with ledger.transaction():
            share_nothing(ledger)
    totals = ledger.totals(end)
    forecast = forecast_of(ledger, end, router)
    causes = causes_among(ledger, totals.rows, end)
    return Findings(
        totals=totals,
        problems=_in_scope(end, problems(ledger, max_listed)),
        invalid=[cause for cause in causes if cause.status is Status.INVALID],
        renamed=[rename for rename in renamed if rename.row in end],
        left_out=_in_scope(end, warnings(ledger, max_listed)),
        warned=count_warnings(ledger, end),
        prompts=list(finished_prompts(ledger, end)),
        gaps=gaps,
        is_refused=would_refuse(gaps, job, ledger, end),
        duplicates=duplicates,
        forecast=forecast,
        rebuy=rebuy_of(ledger, end, generation),
        paces=list(paces_of(ledger, job, router.all_providers, forecast)),
        disk=disk_of(ledger, job.out, forecast),
        limits=list(budgets_of(ledger, limits_of(job), totals, forecast)),
        mode=ledger.mode,
        notices=[*notices, *_waiting_notices(causes)],
    )


def _waiting_notices(causes: Iterable[Cause]) -> Iterator[str]:
    """Yield which rows a run would not buy, since they build on others."""
    for cause in causes:
        if cause.status is Status.PENDING:
            example = cause.examples[0]
            line = "" if example.line is None else f", line {example.line}"
            rows = "1 row would" if cause.rows == 1 else f"{cause.rows:,} rows would"
            yield (
                f"{rows} not be bought yet (row {example.row}{line}): {cause.message}"
            )


def _in_scope(scope: RowScope, problems: Iterable[PlanProblem]) -> list[Problem]:
    return [Problem(*problem) for problem in problems if problem.position in scope]


def _duplicates(ledger: Ledger, end: int) -> Duplicates:
    rows, first = sharing(ledger, end), first_sharing_row(ledger, end)
    return Duplicates(
        example=first and FinishedPrompt(*first),
        rows=rows.rows,
        images=rows.images,
        saved=rows.estimate,
        unpriced=rows.unpriced,
    )
