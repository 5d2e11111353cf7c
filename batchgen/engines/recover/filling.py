"""What tables, log and ZIP know of purchases, put into a ledger that has a plan."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace

from batchgen.engines.recover.events import MAX_ID, number_in
from batchgen.engines.recover.images import Images
from batchgen.engines.recover.placing import Places
from batchgen.engines.recover.purchases import (
    MOST_IMAGES,
    attempt_in_log,
    attempt_in_table,
)
from batchgen.engines.recover.recovered import Recovered
from batchgen.engines.recover.remains import Remains
from batchgen.engines.recover.result_money import ResultMoney
from batchgen.engines.recover.sales import Sales
from batchgen.errors import Again, Charge, StorageError, UsageError
from batchgen.ledger import AttemptRecord, Ledger
from batchgen.ledger.rebuilding import Rebuilding
from batchgen.manifest import key_of
from batchgen.model import State, Status, now_micros
from batchgen.output import ARCHIVE, PURCHASES, TABLE
from batchgen.output.kept import FOLDER, KeptFiles
from batchgen.output.reading import TableRow
from batchgen.output.salvage import Salvage

_SETTLED = (Status.FAILED, Status.REFUSED, Status.HELD)
_TASKS = (State.ACCEPTED, State.OVERDUE, State.DELIVERED)


class Filling:
    """Takes in what the files of a folder know; `fill` is a step of the ledger."""

    def __init__(
        self, ledger: Ledger, sales: Sales, remains: Remains, found: Recovered
    ) -> None:
        self._ledger = ledger
        self._remains = remains
        self._found = found
        self._rebuilding = Rebuilding(ledger, key_of)
        self._places = Places(self._rebuilding, remains)
        self._sales = sales
        self._newest = 0
        self._newer: set[int] = set()

    def fill(self) -> None:
        """Take in all of it, the surest first.

        Raises:
            ArchiveDamaged: another program wrote the ZIP.
            UsageError: nothing belongs to a row of SOURCE.
            StorageError: a table holds what batchgen never writes.
        """
        if self._remains.purchases is not None:
            for row in self._remains.purchases.rows():
                self._take_row(row)
        self._take_events()
        images = Images(
            ledger=self._ledger,
            rebuilding=self._rebuilding,
            places=self._places,
            sales=self._sales,
            found=self._found,
            newer=self._newer,
        )
        with closing(Salvage(self._remains.folder / ARCHIVE)) as salvage:
            images.take(salvage)
            self._ledger.meta.archive_end = salvage.end
        try:
            self._take_results()
            images.note_missing(self._remains.results)
        except (ValueError, TypeError) as error:
            raise self._odd_table(TABLE, error) from error
        self._take_kept()
        self._settle_rows()
        self._look_at_tasks()
        self._rebuilding.finish()
        self._ledger.meta.outputs = "stale"
        self._refuse_other_source()
        events = self._remains.events
        self._found.highest = self._sales.highest(self._ledger)
        self._found.guessed_urls = self._sales.guessed_urls - {""}
        self._found.is_log_whole = events.is_there and self._is_logged()

    def _is_logged(self) -> bool:
        """Say whether the log names each purchase that the table does not."""
        logged = self._remains.events.attempts
        last = max(self._newer, default=self._newest)
        # Numbers are given without a gap: one that stands nowhere was a purchase, too.
        return all(number in logged for number in range(self._newest + 1, last + 1))

    def _take_row(self, row: TableRow) -> None:
        try:
            url = row["base_url"] or ""
            if url:
                self._sales.urls.setdefault(row["provider"], url)
            else:
                url = self._sales.url_of(row["provider"])
            row_id = self._places.row_of_purchase(row)
            attempt = attempt_in_table(row, row_id, url)
        except (ValueError, TypeError) as error:
            raise self._odd_table(PURCHASES, error) from error
        self._rebuilding.put_attempt(attempt)
        self._found.table_attempts += 1
        self._newest = max(self._newest, attempt.attempt_id)
        moments = (attempt.sent_at, attempt.ended_at, self._found.tables_until)
        self._found.tables_until = max(filter(None, moments), default=None)

    def _odd_table(self, name: str, error: Exception) -> StorageError:
        return StorageError(
            f"{self._remains.folder / name}: a line of it is none that batchgen writes "
            f"({error}); move the file away, and run this again"
        )

    def _take_events(self) -> None:
        """Take in what the log has beyond the table."""
        for attempt_id, logged in sorted(self._remains.events.attempts.items()):
            former = self._ledger.find_attempt(attempt_id)
            if former is None:
                self._newer.add(attempt_id)
                self._found.log_attempts += 1
                row_id = self._places.row_of_stem(logged.sent.get("image") or "_")
                span = _span_in(logged.sent, self._ledger.row(row_id).request.n)
                self._rebuilding.enlarge(row_id, span[0] + span[1] - 1)
                former = self._sales.sent(
                    self._ledger, attempt_id, row_id, span, logged.sent_at, logged
                )
            elif logged.state is State.SENT:
                continue  # the table has it at least as far
            self._rebuilding.put_attempt(attempt_in_log(logged, former))

    def _take_results(self) -> None:
        """Take in what only the result table tells: what each row cost."""
        results = self._remains.results
        if self._remains.purchases is not None or results is None:
            return
        ResultMoney(
            ledger=self._ledger,
            rebuilding=self._rebuilding,
            places=self._places,
            sales=self._sales,
        ).take(results)
        if not self._remains.events.attempts:
            self._newest = self._ledger.newest_attempt()

    def _take_kept(self) -> None:
        """Keep the money of answers that no other file knows at risk."""
        kept = KeptFiles(self._remains.folder, lambda _: ())
        lost = []
        for attempt_id in kept.replies():
            is_number = 0 < attempt_id < MAX_ID
            if not is_number or self._ledger.find_attempt(attempt_id) is not None:
                continue
            lost.append(f"{FOLDER}/{attempt_id}.json")
            row_id = self._places.row_of_stem(f"kept-{attempt_id}")
            attempt = self._sales.sent(
                self._ledger, attempt_id, row_id, (1, 1), now_micros()
            )
            reply = kept.read_reply(attempt_id)
            provider = reply.provider if reply else attempt.provider
            self._rebuilding.put_attempt(
                replace(
                    _unknown(attempt, f"its answer is kept as {lost[-1]}"),
                    provider=provider,
                )
            )
        self._found.lost_answers = lost

    def _settle_rows(self) -> None:
        """Let rows that ended without their images stand as the table has them."""
        results = self._remains.results
        for row in results.rows() if results else ():
            if row["status"] not in _SETTLED:
                continue
            row_id = self._places.row_of_result(row)
            # What was never sent, or has another row's images, is judged anew for free.
            if row_id is not None and self._ledger.attempts_of(row_id):
                why = (row["error"], row["message"])
                status = Status(row["status"])
                self._rebuilding.settle(row_id, status, why, self._newest)

    def _look_at_tasks(self) -> None:
        """Count the tasks that the next run asks for; one without a number is lost."""
        for attempt in self._ledger.open_attempts():
            if attempt.task_id is not None:
                self._found.tasks += attempt.state in _TASKS
            elif attempt.state in (State.ACCEPTED, State.OVERDUE):
                self._found.lost_tasks += 1
                words = "accepted, and no file of the folder names its task"
                self._rebuilding.put_attempt(_unknown(attempt, words))

    def _refuse_other_source(self) -> None:
        """Refuse a SOURCE, or options, by which no purchase finds its row.

        Raises:
            UsageError: none does.
        """
        if self._found.images and not self._rebuilding.has_planned_purchases():
            raise UsageError(
                f"nothing in {self._remains.folder} belongs to a row of this SOURCE, "
                "read with these options. Name the SOURCE of the run, with the options "
                "that the run had (such as --prompt or --id). Nothing was changed"
            )


def _span_in(fields: Mapping[str, str], n: int) -> tuple[int, int]:
    first, images = number_in(fields, "first"), number_in(fields, "images")
    if first is None or images is None:
        return 1, n
    return max(1, min(first, MOST_IMAGES)), max(1, min(images, MOST_IMAGES))


def _unknown(attempt: AttemptRecord, words: str) -> AttemptRecord:
    return replace(
        attempt,
        state=State.UNKNOWN,
        charge=Charge.UNKNOWN,
        cost=None,
        uncertain=0,
        again=Again.NEVER,
        error="outcome_unknown",
        message=words,
        ended_at=attempt.ended_at or attempt.sent_at,
    )
