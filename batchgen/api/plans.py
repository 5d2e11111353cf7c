"""Check a job from Python code before anything is paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from batchgen.api.jobs import Job, readable_spec, spec_to_run
from batchgen.checks.dry_run import ALL_ROWS, check_job
from batchgen.checks.findings import Findings, Problem
from batchgen.drives import storage_errors
from batchgen.model import Job as JobSpec
from batchgen.model import Status, to_usd
from batchgen.providers import PROVIDERS
from batchgen.runner.access import prices_of


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run of a job would do, and what it would cost.

    Attributes:
        findings: Everything that `batchgen check` shows.
    """

    findings: Findings

    @property
    def rows(self) -> int:
        """Rows that are still to be bought."""
        return self.findings.forecast.rows

    @property
    def images(self) -> int:
        """Images that are still to be bought."""
        return self.findings.forecast.images

    @property
    def cost_usd(self) -> Decimal:
        """Expected cost of these images without retries, as far as prices are known."""
        return to_usd(self.findings.forecast.cost().expected)

    @property
    def unpriced_images(self) -> int:
        """Images without a known price."""
        return self.findings.forecast.unpriced

    @property
    def invalid_rows(self) -> int:
        """Rows that cannot run; `problems` says why."""
        return self.findings.totals.rows.get(Status.INVALID, 0)

    @property
    def problems(self) -> Sequence[Problem]:
        """Rows that cannot run, and why; each names its row, line and column."""
        return self.findings.problems

    @property
    def notices(self) -> Sequence[str]:
        """Sentences about what looks wrong."""
        return self.findings.notices

    def __repr__(self) -> str:
        return (
            f"Plan(rows={self.rows}, images={self.images}, cost_usd={self.cost_usd}, "
            f"invalid_rows={self.invalid_rows})"
        )


def check(job: Job) -> Plan:
    """Check a job before anything is paid; nothing is sent or written.

    Raises:
        SpecError: the job, or its manifest, cannot be read.
    """
    with storage_errors():
        spec = spec_to_run(job, rehearse=False)
        with readable_spec(job, spec) as spec:
            return plan_of(spec)


def plan_of(spec: JobSpec, max_problems: int = ALL_ROWS) -> Plan:
    """Return what a run of a job would do.

    Args:
        spec: The job.
        max_problems: Rows that cannot run, and other findings, of which at most so many
            are named one by one.

    Raises:
        SpecError: its manifest cannot be read.
    """
    return Plan(check_job(spec, PROVIDERS, prices_of(spec), max_problems))
