"""What a recovery found, and what stays unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from batchgen.ledger import Totals


@dataclass(slots=True, kw_only=True)
class RecoveryReport:
    """What a recovery found.

    Attributes:
        moved_aside: Files that stood in the way, by their new names.
        unreadable: Tables that cannot be read, and why.
        tables_until: The last moment that the tables know, in microseconds UTC; None
            where there is no table of purchases.
        table_attempts: Purchases that the table names.
        log_attempts: Purchases that only the log names.
        images: In the ZIP, whole.
        newer_images: Of purchases that no table names.
        foreign_images: Of rows that SOURCE does not hold.
        priced_by_list: Newer images whose price is the price list's.
        unpriced_images: Newer images whose price is unknown.
        damaged_images: That the ZIP holds, and that are not whole.
        missing_images: That the tables name, and the ZIP does not hold.
        lost_answers: Answers in `kept/` whose row is unknown.
        tasks: Being made: the next run asks for them.
        lost_tasks: Tasks whose number stands nowhere.
        guessed_urls: Addresses where tasks are asked for that no file names.
        is_log_whole: Whether the log names each purchase that the tables do not.
        highest: What one purchase costs at most, in nano-dollars; None if unknown.
        totals: The folder's money and rows; set at the end.
    """

    moved_aside: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    tables_until: int | None = None
    table_attempts: int = 0
    log_attempts: int = 0
    images: int = 0
    newer_images: int = 0
    foreign_images: int = 0
    priced_by_list: int = 0
    unpriced_images: int = 0
    damaged_images: int = 0
    missing_images: int = 0
    lost_answers: Sequence[str] = ()
    tasks: int = 0
    lost_tasks: int = 0
    guessed_urls: set[str] = field(default_factory=set)
    is_log_whole: bool = True
    highest: int | None = None
    totals: Totals | None = None

    @property
    def may_lack_purchases(self) -> bool:
        """Whether something may have been bought that no file tells of."""
        return not self.is_log_whole
