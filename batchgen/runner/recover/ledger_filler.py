"""Fill a new ledger, which has a plan, with the purchases from tables, log and ZIP."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

from batchgen.errors import Again, Charge, StorageError, UsageError
from batchgen.ledger import AttemptRecord, Ledger
from batchgen.ledger.rebuilding import Rebuilding
from batchgen.manifest import key_of
from batchgen.model import Basis, State, Status, now_micros
from batchgen.output import ARCHIVE, PURCHASES, TABLE
from batchgen.output.kept_files import FOLDER, KeptFiles
from batchgen.output.reading import TableRow
from batchgen.output.salvage import Salvage
from batchgen.providers.base import TaskProvider
from batchgen.runner.recover.images import ImageFiller
from batchgen.runner.recover.recovered_attempts import (
    MAX_IMAGES,
    TASK_STATES,
    AttemptFactory,
    attempt_in_log,
    attempt_in_table,
    micros_in,
    nano_in,
)
from batchgen.runner.recover.recovery_report import RecoveryReport
from batchgen.runner.recover.remains import Remains
from batchgen.runner.recover.row_finder import RowFinder
from batchgen.runner.recover.run_log import MAX_ID, number_in

_CHARGES = {
    Basis.REPORTED: Charge.REPORTED,
    Basis.BILLED: Charge.BILLED,
    Basis.PRICE_LIST: Charge.PRICE_LIST,
}
_STATED_CHARGES = (Charge.REPORTED, Charge.BILLED)
_MAX_ATTEMPTS = 10_000
"""Maximum of one row: an edited file may contain any number [assumed]."""

_SETTLED = (Status.FAILED, Status.REFUSED, Status.HELD)


class LedgerFiller:
    """Adds the purchases of a folder's files to a ledger, within a transaction."""

    def __init__(
        self,
        ledger: Ledger,
        attempt_factory: AttemptFactory,
        remains: Remains,
        report: RecoveryReport,
    ) -> None:
        self._ledger = ledger
        self._remains = remains
        self._report = report
        self._rebuilding = Rebuilding(ledger, key_of)
        self._row_finder = RowFinder(self._rebuilding, remains)
        self._attempt_factory = attempt_factory
        self._newest = 0
        self._newer: set[int] = set()

    def fill(self) -> None:
        """Add the purchases of all files, the most reliable file first.

        Raises:
            ArchiveDamaged: another program wrote the ZIP.
            UsageError: nothing belongs to a row of SOURCE.
            StorageError: a table has values that batchgen never writes.
        """
        if self._remains.purchases is not None:
            for row in self._remains.purchases.rows():
                self._add_purchase(row)
        self._add_logged()
        images = ImageFiller(
            ledger=self._ledger,
            rebuilding=self._rebuilding,
            row_finder=self._row_finder,
            attempt_factory=self._attempt_factory,
            report=self._report,
            newer=self._newer,
        )
        with closing(Salvage(self._remains.folder / ARCHIVE)) as salvage:
            images.add_all(salvage)
            self._ledger.meta.archive_end = salvage.end
        try:
            self._add_result_money()
            images.note_missing(self._remains.results)
        except (ValueError, TypeError) as error:
            raise self._invalid_table(TABLE, error) from error
        self._add_kept_replies()
        self._settle_rows()
        self._count_tasks()
        self._rebuilding.finish()
        self._ledger.meta.outputs = "stale"
        self._refuse_other_source()
        events = self._remains.events
        self._report.highest = self._attempt_factory.highest(self._ledger)
        self._report.guessed_urls = self._attempt_factory.guessed_urls - {""}
        self._report.may_lack_purchases = not (events.exists and self._is_logged())

    def _is_logged(self) -> bool:
        """Say whether the log has every purchase that the table lacks."""
        logged = self._remains.events.attempts
        last = max(self._newer, default=self._newest)
        # Ids have no gaps: a missing one was a purchase, too.
        return all(number in logged for number in range(self._newest + 1, last + 1))

    def _add_purchase(self, row: TableRow) -> None:
        try:
            url = row["base_url"] or ""
            if url:
                self._attempt_factory.urls.setdefault(row["provider"], url)
            else:
                url = self._attempt_factory.url_of(row["provider"])
            row_id = self._row_finder.row_of_purchase(row)
            attempt = attempt_in_table(row, row_id, url)
        except (ValueError, TypeError) as error:
            raise self._invalid_table(PURCHASES, error) from error
        self._rebuilding.put_attempt(attempt)
        self._report.table_attempts += 1
        self._newest = max(self._newest, attempt.attempt_id)
        moments = (attempt.sent_at, attempt.ended_at, self._report.tables_until)
        self._report.tables_until = max(filter(None, moments), default=None)

    def _invalid_table(self, name: str, error: Exception) -> StorageError:
        return StorageError(
            f"{self._remains.folder / name}: a line of it is none that batchgen writes "
            f"({error}); move the file away, and run this again"
        )

    def _add_logged(self) -> None:
        """Add what the log has beyond the table."""
        for attempt_id, logged in sorted(self._remains.events.attempts.items()):
            attempt = self._ledger.find_attempt(attempt_id)
            if attempt is None:
                self._newer.add(attempt_id)
                self._report.log_attempts += 1
                row_id = self._row_finder.row_with_base_name(
                    logged.sent_fields.get("image") or "_"
                )
                span = _span_in(logged.sent_fields, self._ledger.row(row_id).request.n)
                self._rebuilding.enlarge(row_id, span[0] + span[1] - 1)
                attempt = self._attempt_factory.new_attempt(
                    self._ledger, attempt_id, row_id, span, logged.sent_at, logged
                )
            elif logged.state is State.SENT:
                continue  # the table has at least as much
            self._rebuilding.put_attempt(attempt_in_log(logged, attempt))

    def _add_result_money(self) -> None:
        """Add what only the result table has, if the table of purchases is lost.

        The result table has one line for each row, so it only has the sum of its costs.
        """
        results = self._remains.results
        if self._remains.purchases is not None or results is None:
            return
        for row in results.rows():
            is_bought = row["attempts"] or row["at_risk_attempts"]
            row_id = self._row_finder.row_of_result(row) if is_bought else None
            if row_id is not None:
                self._add_cost(row, row_id)
                self._add_risk(row, row_id)
        if not self._remains.events.attempts:
            self._newest = self._ledger.newest_attempt()

    def _add_cost(self, row: TableRow, row_id: int) -> None:
        charge = _CHARGES.get(Basis(row["cost_basis"] or "none"))
        cost = nano_in(row, "cost_usd")
        if charge is None or cost is None:
            return
        attempts = self._ledger.attempts_of(row_id)
        if (
            len(attempts) == 1
            and charge in _STATED_CHARGES
            and attempts[0].charge not in _STATED_CHARGES
        ):
            # The ZIP has its image, and the table has its charge.
            stated = replace(attempts[0], charge=charge, cost=cost, uncertain=0)
            self._rebuilding.put_attempt(stated)
            return
        missing = cost - sum(attempt.cost or 0 for attempt in attempts)
        is_stored = row["status"] == Status.SUCCEEDED and not attempts
        if missing > 0 or is_stored:
            self._add_purchase_of(
                row,
                row_id,
                state=State.STORED if is_stored else State.FAILED,
                charge=charge,
                cost=missing,
                again=None if is_stored else Again.LATER,
            )

    def _add_risk(self, row: TableRow, row_id: int) -> None:
        attempts = self._ledger.attempts_of(row_id)
        risky = sum(attempt.at_risk for attempt in attempts)
        count = (row["at_risk_attempts"] or 0) - risky
        if count > _MAX_ATTEMPTS:
            raise ValueError(f"{count} purchases of one row at risk")
        at_risk = nano_in(row, "at_risk_usd")
        provider = self._attempt_factory.providers.get(row["provider"])
        is_task = row["request_id"] is not None and isinstance(provider, TaskProvider)
        for _ in range(max(0, count)):
            self._add_purchase_of(
                row,
                row_id,
                state=State.ACCEPTED if is_task else State.UNKNOWN,
                charge=None if is_task else Charge.UNKNOWN,
                task_id=row["request_id"] if is_task else None,
                ceiling=None if at_risk is None else -(-at_risk // count),
                again=None if is_task else Again.LATER,
            )

    def _add_purchase_of(self, row: TableRow, row_id: int, **values: Any) -> None:
        """Add a purchase of which the result table has only what its row has."""
        number = self._ledger.newest_attempt() + 1
        images = self._ledger.row(row_id).request.n
        at = micros_in(row, "started_at") or 0
        attempt = self._attempt_factory.new_attempt(
            self._ledger, number, row_id, (1, images), at
        )
        common = {
            "provider": row["provider"] or attempt.provider,
            "model": row["model"] or attempt.model,
            "request_id": row["request_id"],
            "ended_at": micros_in(row, "finished_at"),
            "error": row["error"],
            "message": row["message"],
        }
        self._rebuilding.put_attempt(replace(attempt, **(common | values)))

    def _add_kept_replies(self) -> None:
        """Add kept replies without a known purchase, with their money at risk."""
        files = KeptFiles(self._remains.folder, lambda _: ())
        lost = []
        for attempt_id in files.replies():
            is_number = 0 < attempt_id < MAX_ID
            if not is_number or self._ledger.find_attempt(attempt_id) is not None:
                continue
            lost.append(f"{FOLDER}/{attempt_id}.json")
            row_id = self._row_finder.row_with_base_name(f"kept-{attempt_id}")
            attempt = self._attempt_factory.new_attempt(
                self._ledger, attempt_id, row_id, (1, 1), now_micros()
            )
            reply = files.read_reply(attempt_id)
            provider = reply.provider if reply else attempt.provider
            self._rebuilding.put_attempt(
                replace(
                    _unknown(attempt, f"its answer is kept as {lost[-1]}"),
                    provider=provider,
                )
            )
        self._report.lost_answers = lost

    def _settle_rows(self) -> None:
        """Give rows that ended without images the status in the result table."""
        results = self._remains.results
        for row in results.rows() if results else ():
            if row["status"] not in _SETTLED:
                continue
            row_id = self._row_finder.row_of_result(row)
            # Other rows were never sent, or share another row's images: they are judged
            # anew.
            if row_id is not None and self._ledger.attempts_of(row_id):
                error = (row["error"], row["message"])
                status = Status(row["status"])
                self._rebuilding.settle(row_id, status, error, self._newest)

    def _count_tasks(self) -> None:
        """Count the tasks that the next run polls; a task without an id is lost."""
        for attempt in self._ledger.open_attempts():
            if attempt.task_id is not None:
                self._report.tasks += attempt.state in TASK_STATES
            elif attempt.state in (State.ACCEPTED, State.OVERDUE):
                self._report.lost_tasks += 1
                message = "accepted, and no file of the folder names its task"
                self._rebuilding.put_attempt(_unknown(attempt, message))

    def _refuse_other_source(self) -> None:
        """Refuse a SOURCE, or options, to which no purchase belongs.

        Raises:
            UsageError: none belongs to it.
        """
        if self._report.images and not self._rebuilding.has_planned_purchases():
            raise UsageError(
                f"nothing in {self._remains.folder} belongs to a row of this SOURCE, "
                "read with these options. Name the SOURCE of the run, with the options "
                "that the run had (such as --prompt or --id). Nothing was changed"
            )


def _span_in(fields: Mapping[str, str], n: int) -> tuple[int, int]:
    first, images = number_in(fields, "first"), number_in(fields, "images")
    if first is None or images is None:
        return 1, n
    return max(1, min(first, MAX_IMAGES)), max(1, min(images, MAX_IMAGES))


def _unknown(attempt: AttemptRecord, message: str) -> AttemptRecord:
    return replace(
        attempt,
        state=State.UNKNOWN,
        charge=Charge.UNKNOWN,
        cost=None,
        uncertain=0,
        again=Again.NEVER,
        error="outcome_unknown",
        message=message,
        ended_at=attempt.ended_at or attempt.sent_at,
    )
