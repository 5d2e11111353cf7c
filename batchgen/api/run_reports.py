"""Progress and result of a run, as Python code gets them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from batchgen.api.folders import Folder
from batchgen.errors import BatchgenError, ProviderStopped, SpecError, StorageError
from batchgen.model import Status, dollars, to_usd
from batchgen.runner.config import RunResult
from batchgen.runner.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """One moment of a run.

    Attributes:
        phase: `starting`, `planning`, `running`, `stopping` or `writing`.
        total: Rows in scope; grows while the manifest is read.
        rows: Rows in scope by status, those of earlier runs included.
        in_flight: Purchases under way.
        images: Stored by this run.
        spent_usd: Charged for certain, in the whole run folder.
        at_risk_usd: What may have been charged besides, in the whole run folder.
        is_rehearsal: Whether the money is pretend.
    """

    phase: str
    total: int
    rows: Mapping[Status, int]
    in_flight: int
    images: int
    spent_usd: Decimal
    at_risk_usd: Decimal
    is_rehearsal: bool

    @property
    def ended_rows(self) -> int:
        """Rows that came to an end, good or bad."""
        return sum(
            count for status, count in self.rows.items() if status != Status.PENDING
        )

    def __str__(self) -> str:
        spent = dollars(self.spent_usd, pretend=self.is_rehearsal)
        rows = f"{self.ended_rows} of {self.total} rows"
        return f"{self.phase}: {rows}, {self.in_flight} in flight, {spent}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a run ended; money is that of the whole run folder.

    Attributes:
        rows: Rows in scope by status.
        images: In the ZIP.
        spent_usd: Charged for certain, also for rows that were changed or removed.
        at_risk_usd: What may have been charged besides.
        error: What stopped it before its end: a budget, failures of nearly all rows,
            or a refusal by all of its providers; None if nothing did.
        stopped_providers: The errors of providers that refused key, credit or model.
        is_stopped: Whether its handle stopped it.
        is_planned: Whether it read the manifest to its end.
        is_rehearsal: Whether the money is pretend.
        notices: Sentences that the user should read.
        folder: The run folder.
    """

    rows: Mapping[Status, int]
    images: int
    spent_usd: Decimal
    at_risk_usd: Decimal
    error: BatchgenError | None
    stopped_providers: tuple[ProviderStopped, ...]
    is_stopped: bool
    is_planned: bool
    is_rehearsal: bool
    notices: tuple[str, ...]
    folder: Folder

    @property
    def is_complete(self) -> bool:
        """Whether every row in scope succeeded, and all of them are known."""
        return self.is_planned and sum(self.rows.values()) == self.rows.get(
            Status.SUCCEEDED, 0
        )

    def raise_for_error(self) -> None:
        """Raise what stopped the run, if something did.

        Raises:
            BatchgenError: `error`.
        """
        if self.error is not None:
            raise self.error


def progress_of(progress: Progress) -> RunProgress:
    """Return the current counters of a run."""
    return RunProgress(
        phase=progress.phase,
        total=progress.total,
        rows={status: count for status, count in progress.rows.items() if count},
        in_flight=progress.in_flight(),
        images=progress.stored_images,
        spent_usd=to_usd(progress.spent),
        at_risk_usd=to_usd(progress.at_risk),
        is_rehearsal=progress.rehearsed,
    )


def result_of(result: RunResult, folder: Folder, notices: Sequence[str]) -> Result:
    """Return how a run ended.

    Raises:
        SpecError: the job is wrong, which only the run could see.
        StorageError: nothing more could be stored.
    """
    error: BatchgenError | None = result.error
    stopped = result.stopped
    if error is None and stopped and len(stopped) == result.provider_count:
        error = stopped[0]
    if isinstance(error, SpecError | StorageError):
        raise error
    totals = result.totals
    assert totals is not None  # noqa: S101 - a run that ended has counted
    return Result(
        rows=dict(totals.rows),
        images=totals.images,
        spent_usd=to_usd(totals.spent + totals.superseded),
        at_risk_usd=to_usd(totals.at_risk),
        error=error,
        stopped_providers=tuple(result.stopped),
        is_stopped=result.stop_reason is not None,
        is_planned=result.cut is None,
        is_rehearsal=totals.rehearsed,
        notices=tuple(notices),
        folder=folder,
    )
