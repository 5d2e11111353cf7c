"""The report of a recovery, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from batchgen.cli.formatting import counted, either, money_lines, rows_line
from batchgen.cli.json_fields import folder_fields
from batchgen.cli.json_writer import moment_text
from batchgen.ledger import Totals
from batchgen.model import dollars, to_usd, utc
from batchgen.runner.recover import RecoveryReport


def lines_of(folder: Path, report: RecoveryReport, run_command: str) -> Iterator[str]:
    """Yield the lines of a recovery's report."""
    totals = _totals(report)
    yield f"{folder}: a new ledger (run.db) is built; nothing was sent"
    if report.moved_aside:
        yield f"kept beside it: {', '.join(report.moved_aside)}"
    yield from report.unreadable
    yield rows_line(totals)
    yield from money_lines(totals)
    yield _images_line(report)
    yield from _purchase_lines(report)
    yield from _gap_lines(report, totals)
    yield f"to carry on:\n  {run_command}"


def _images_line(report: RecoveryReport) -> str:
    text = f"{counted(report.images, 'image')} in the ZIP"
    if report.newer_images and report.tables_until is not None:
        of_them = f"{report.newer_images} of them" if report.images > 1 else "it is"
        text += f", {of_them} newer than attempts.parquet"
    return text


def _purchase_lines(report: RecoveryReport) -> Iterator[str]:
    until = report.tables_until
    if until is None:
        yield "no table of purchases (attempts.parquet) is there"
    else:
        tries = counted(report.table_attempts, "purchase")
        yield f"attempts.parquet: {tries}, the last entry at {moment_text(utc(until))}"
    if report.log_attempts:
        yield f"run.log: {counted(report.log_attempts, 'purchase')} beyond that"
    if report.tasks:
        have = either(report.tasks, "has its image", "have their images")
        yield (
            f"{counted(report.tasks, 'purchase')} that a provider accepted {have} "
            "still to come: the next run asks for that"
        )
    if report.guessed_urls:
        urls = " and ".join(sorted(report.guessed_urls))
        yield f"no file says where they were bought; asked is {urls}, as the job has it"


def _gap_lines(report: RecoveryReport, totals: Totals) -> Iterator[str]:
    """Yield what is missing or unknown."""
    if report.priced_by_list:
        its = either(report.priced_by_list, "its", "their")
        yield (
            f"{counted(report.priced_by_list, 'newer image')}: nothing tells what the "
            f"provider charged; {its} price is the price list's"
        )
    if report.unpriced_images:
        yield (
            f"{counted(report.unpriced_images, 'newer image')} at a price that nobody "
            "knows: no amount above holds that"
        )
    if report.foreign_images:
        they_stay = either(report.foreign_images, "it stays", "they stay")
        yield (
            f"{counted(report.foreign_images, 'image')} of rows that SOURCE does not "
            f"hold: {they_stay} in images.zip, and "
            f"{either(report.foreign_images, 'is', 'are')} in no table"
        )
    if report.damaged_images:
        places = counted(report.damaged_images, "damaged place")
        yield f"{places} in images.zip: what stood there cannot be read any more"
    if report.missing_images:
        were = either(report.missing_images, "was bought is", "were bought are")
        them = either(report.missing_images, "it", "them")
        yield (
            f"{counted(report.missing_images, 'image')} that {were} not in images.zip: "
            f"put the file back, or buy {them} again with --rebuy"
        )
    if report.lost_tasks:
        they = either(report.lost_tasks, "it", "they")
        yield (
            f"{counted(report.lost_tasks, 'accepted task')} whose number no file "
            f"names: {they} cannot be asked for, and "
            f"{either(report.lost_tasks, 'stands', 'stand')} as at risk"
        )
    if report.lost_answers:
        answers = either(
            len(report.lost_answers),
            "an answer to a request",
            "answers to requests",
        )
        yield (
            f"{', '.join(report.lost_answers)}: {answers} whose row no file names; the "
            "price stands as at risk"
        )
    yield from _unknown_lines(report, totals)


def _unknown_lines(report: RecoveryReport, totals: Totals) -> Iterator[str]:
    if not report.may_lack_purchases:
        yield "run.log names every purchase since then: nothing is known to be missing"
        return
    since = "at all" if report.tables_until is None else "after that moment"
    cost = "the price of a purchase"
    if report.highest is not None:
        cost = f"up to {dollars(to_usd(report.highest), pretend=totals.rehearsed)}"
    yield (
        f"cannot be known: what was sent {since} and left no image in the ZIP, because "
        "run.log does not name every purchase. Each such request may have cost "
        f"{cost}, which no amount above holds, and its row may be bought again. To "
        "compare with the provider's bill: batchgen reconcile"
    )


def fields_of(
    folder: Path, report: RecoveryReport, run_command: str
) -> Mapping[str, Any]:
    """Return the document of a recovery."""
    until = report.tables_until
    highest = None if report.highest is None else to_usd(report.highest)
    return {
        "folder": str(folder),
        **folder_fields(_totals(report)),
        "moved_aside": report.moved_aside,
        "unreadable": report.unreadable,
        "tables_until": None if until is None else utc(until),
        "purchases": {
            "in_table": report.table_attempts,
            "in_log_only": report.log_attempts,
            "to_fetch": report.tasks,
            "lost_tasks": report.lost_tasks,
            "lost_answers": [*report.lost_answers],
        },
        "zip": {
            "images": report.images,
            "newer_images": report.newer_images,
            "priced_by_list": report.priced_by_list,
            "unpriced_images": report.unpriced_images,
            "images_of_no_row": report.foreign_images,
            "damaged_places": report.damaged_images,
            "missing_images": report.missing_images,
        },
        "may_lack_purchases": report.may_lack_purchases,
        "highest_usd": highest,
        "command": run_command,
    }


def _totals(report: RecoveryReport) -> Totals:
    assert report.totals is not None  # noqa: S101 - a recovery that ended has them
    return report.totals
