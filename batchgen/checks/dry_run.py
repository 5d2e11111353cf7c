"""All that can be known of a job before paying: planned on a copy, nothing is sent."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

from batchgen.budget import limits_of
from batchgen.checks.findings import (
    Duplicate,
    Duplicates,
    Findings,
    Problem,
    problems_in,
    warnings_in,
)
from batchgen.checks.forecast import forecast_of
from batchgen.checks.resources import disk_of, limits_met, paces_of
from batchgen.ledger import Ledger, PlanEntry, PlanWriter, Reader, Totals, new_names
from batchgen.ledger.database import copy_ledger
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.ledger.naming import rename_row
from batchgen.ledger.outstanding import first_sharing_row, sharing
from batchgen.ledger.plan import share_nothing
from batchgen.ledger.plan_findings import count_warnings, renamed_rows
from batchgen.manifest import Row, key_of
from batchgen.manifest.embedded import ImageStore
from batchgen.manifest.gaps import Gaps
from batchgen.manifest.manifest import Manifest
from batchgen.model import Job, PriceList, Status, now_micros, utc
from batchgen.output.member_names import folded_base_names, strip_image_extension
from batchgen.planning.plan_entries import plan_entry
from batchgen.planning.routing import Router
from batchgen.providers.base import Provider
from batchgen.runner.folder import LEDGER
from batchgen.runner.folder_checks import refuse_without_ledger
from batchgen.runner.incomplete_rows import finished_prompts, would_refuse
from batchgen.runner.manifest_edits import edit_notices, rebuy_of
from batchgen.runner.notices import network_problems, notices_of
from batchgen.runner.row_causes import causes_among

EVERY = -1
"""All rows, where only the first would be told."""


def check_job(
    job: Job,
    providers: Mapping[str, Provider],
    prices: Mapping[str, PriceList],
    max_listed: int,
) -> Findings:
    """Plan a job on a copy of its ledger and say what was found.

    Args:
        job: The job.
        providers: All that there are.
        prices: Of each.
        max_listed: At most so many rows that cannot run, and as many of each other
            odd kind; or EVERY.

    Raises:
        SpecError: the manifest cannot be read.
    """
    refuse_without_ledger(job.out / LEDGER)
    today = utc(now_micros()).date()
    with tempfile.TemporaryDirectory(prefix="batchgen-check-") as folder:
        job = replace(job, image_folder=Path(folder) / "references")
        manifest = Manifest.open(job)
        router = Router.of(job, providers, prices, today)
        notices = [
            *(
                f"`run` would stop before anything is sent: {problem}"
                for problem in network_problems()
            ),
            *manifest.notices,
            *notices_of(job, providers, today),
        ]
        copy = Path(folder) / LEDGER
        rehearsal = _copy_ledger(job, copy)
        ledger = Ledger(copy)
        gaps = Gaps() if manifest.gap_finder else None
        try:
            renamed = _plan(ledger, manifest, router, max_listed, gaps)
            end = EVERY_ROW if job.limit is None else job.limit
            notices += edit_notices(ledger, end, ledger.generation)
            notices += manifest.id_advice()
            findings = _findings(ledger, router, notices, renamed, gaps, max_listed)
        finally:
            ledger.close()
    if rehearsal is not None:
        findings = replace(findings, mode=rehearsal.mode, rehearsal=rehearsal)
    return findings


def _copy_ledger(job: Job, copy: Path) -> Totals | None:
    """Copy what the folder's runs bought, unless it was only rehearsed.

    What is pretend counts for nothing that a real run does: neither as bought nor for
    a budget.

    Returns:
        What the folder's rehearsal came to; None if it holds none.
    """
    if not (job.out / LEDGER).is_file():
        return None
    # The copy is brought up to date where an older batchgen wrote the ledger.
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
    """Plan all rows; count those in scope that lack a value."""
    end = EVERY_ROW if router.job.limit is None else router.job.limit
    renamed: list[Problem] = []
    with (
        ledger.transaction(),
        # In any case, to see what it would save; who does not want it gets it undone.
        closing(PlanWriter(ledger, key_of, folded_base_names, dedupe=True)) as plan,
    ):
        plan.id_column = router.job.columns.get("id", "id")
        rows = 0
        images = ImageStore(router.job.images_folder)
        for part in manifest.slices():
            entries = [plan_entry(row, router) for row in part.rows]
            plan.add(entries, part.user_columns, rows)
            images.clear()
            if gaps is not None and manifest.gap_finder is not None:
                for row in part.rows:
                    if row.position < end:
                        manifest.gap_finder.count(gaps, row.missing_columns)
            rows += len(part.rows)
            problems = _renamed(part.rows, entries)
            renamed += islice(
                problems, None if max_listed < 0 else max_listed - len(renamed)
            )
        plan.end()
        for name in new_names(ledger, plan.generation, folded_base_names):
            rename_row(ledger, name)
        plan.complete("check", manifest.user_schema, rows)
    every = [*renamed, *_clashes(ledger, manifest, max_listed)]
    return sorted(every, key=lambda problem: problem.row)


def _renamed(rows: Sequence[Row], entries: Sequence[PlanEntry]) -> Iterator[Problem]:
    """Yield rows whose file name would leave the archive, or fits no file system."""
    for row, entry in zip(rows, entries, strict=True):
        if row.filename and strip_image_extension(row.filename) != entry.base_name:
            notice = f"{row.filename!r} is no safe name; stored as {entry.base_name!r}"
            yield Problem(
                row=row.position, line=row.line, column="filename", message=notice
            )


def _clashes(ledger: Reader, manifest: Manifest, max_listed: int) -> Iterator[Problem]:
    """Yield rows whose file name an earlier row has, or one that differs in case."""
    column = "filename" if "filename" in manifest.states else "id"
    for row in renamed_rows(ledger, max_listed):
        base_name = row.base_name
        notice = (
            f"{base_name.rpartition('~')[0]!r} is the file name of an earlier row, "
            f"too; stored as {base_name!r}"
        )
        yield Problem(row=row.position, line=row.line, column=column, message=notice)


def _findings(
    ledger: Ledger,
    router: Router,
    notices: Sequence[str],
    renamed: list[Problem],
    gaps: Gaps | None,
    max_listed: int,
) -> Findings:
    job = router.job
    end = EVERY_ROW if job.limit is None else job.limit
    generation = ledger.generation
    duplicates = _duplicates(ledger, end)
    if not job.dedupe:
        with ledger.transaction():
            share_nothing(ledger)
    totals = ledger.totals(end)
    forecast = forecast_of(ledger, end, router)
    problems = problems_in(ledger, max_listed)
    left_out = warnings_in(ledger, max_listed)
    return Findings(
        totals=totals,
        problems=[problem for problem in problems if problem.row < end],
        invalid=[
            cause
            for cause in causes_among(ledger, totals.rows, end)
            if cause.status is Status.INVALID
        ],
        renamed=[rename for rename in renamed if rename.row < end],
        left_out=[entry for entry in left_out if entry.row < end],
        warned=count_warnings(ledger, end),
        prompts=list(finished_prompts(ledger, end)),
        gaps=gaps,
        is_refused=would_refuse(gaps, job, ledger, end),
        duplicates=duplicates,
        forecast=forecast,
        rebuy=rebuy_of(ledger, end, generation),
        paces=list(paces_of(ledger, job, router.all_providers, forecast)),
        disk=disk_of(ledger, job.out, forecast),
        limits=list(limits_met(ledger, limits_of(job), totals, forecast)),
        mode=ledger.mode,
        notices=notices,
    )


def _duplicates(ledger: Ledger, end: int) -> Duplicates:
    rows, first = sharing(ledger, end), first_sharing_row(ledger, end)
    return Duplicates(
        example=first
        and Duplicate(row=first.position, line=first.line, prompt=first.prompt),
        rows=rows.rows,
        images=rows.images,
        saved=rows.estimate,
        unpriced=rows.unpriced,
    )
