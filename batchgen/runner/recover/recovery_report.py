"""The result of a recovery, and what stays unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from batchgen.ledger import Totals


@dataclass(slots=True, kw_only=True)
class RecoveryReport:
    """The result of a recovery.

    Attributes:
        moved_aside: New names of files that were renamed.
        unreadable: Tables that cannot be read, and why.
        tables_until: The last time in the table of purchases, in microseconds UTC; None
            if there is no such table.
        table_attempts: Purchases in the table.
        log_attempts: Purchases that are only in the log.
        images: Whole images in the ZIP.
        newer_images: Images of purchases that are in no table.
        foreign_images: Images of rows that are not in SOURCE.
        priced_by_list: Newer images whose price is from the price list.
        unpriced_images: Newer images whose price is unknown.
        damaged_images: Images in the ZIP that are not whole.
        missing_images: Images in the tables that are not in the ZIP.
        lost_answers: Replies in `kept/` whose row is unknown.
        tasks: Open tasks, which the next run polls.
        lost_tasks: Tasks whose id is in no file.
        guessed_urls: Base URLs of tasks that no file names.
        may_lack_purchases: Whether there may be purchases that are in no file.
        highest: The highest price of one purchase in nano-dollars; None if unknown.
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
    may_lack_purchases: bool = False
    highest: int | None = None
    totals: Totals | None = None
