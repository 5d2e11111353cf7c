"""What a recovery found, in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from batchgen.cli.exact import moment_text
from batchgen.cli.vocabulary import folder_fields
from batchgen.cli.words import counted, money_lines, rows_line
from batchgen.engines.recover import Recovered
from batchgen.ledger import Totals
from batchgen.model import dollars, to_usd, utc


def lines_of(folder: Path, found: Recovered, run_command: str) -> Iterator[str]:
    """Yield what there is to say of a recovery."""
    totals = _totals(found)
    yield f"{folder}: a new ledger (run.db) is built; nothing was sent"
    if found.moved_aside:
        yield f"kept beside it: {', '.join(found.moved_aside)}"
    yield from found.unreadable
    yield rows_line(totals)
    yield from money_lines(totals)
    yield _images_line(found)
    yield from _purchase_lines(found)
    yield from _gap_lines(found, totals)
    yield f"to carry on:\n  {run_command}"


def _images_line(found: Recovered) -> str:
    words = f"{counted(found.images, 'image')} in the ZIP"
    if found.newer_images and found.tables_until is not None:
        of_them = f"{found.newer_images} of them" if found.images > 1 else "it is"
        words += f", {of_them} newer than attempts.parquet"
    return words


def _purchase_lines(found: Recovered) -> Iterator[str]:
    until = found.tables_until
    if until is None:
        yield "no table of purchases (attempts.parquet) is there"
    else:
        tries = counted(found.table_attempts, "purchase")
        yield f"attempts.parquet: {tries}, the last entry at {moment_text(utc(until))}"
    if found.log_attempts:
        yield f"run.log: {counted(found.log_attempts, 'purchase')} beyond that"
    if found.tasks:
        whose = "purchase that a provider accepted has its image"
        if found.tasks != 1:
            whose = "purchases that a provider accepted have their images"
        yield f"{found.tasks} {whose} still to come: the next run asks for that"
    if found.guessed_urls:
        urls = " and ".join(sorted(found.guessed_urls))
        yield f"no file says where they were bought; asked is {urls}, as the job has it"


def _gap_lines(found: Recovered, totals: Totals) -> Iterator[str]:
    """Yield what is missing, or cannot be known."""
    if found.priced_by_list:
        them = "its" if found.priced_by_list == 1 else "their"
        yield (
            f"{counted(found.priced_by_list, 'newer image')}: nothing tells what the "
            f"provider charged; {them} price is the price list's"
        )
    if found.unpriced_images:
        yield (
            f"{counted(found.unpriced_images, 'newer image')} at a price that nobody "
            "knows: no amount above holds that"
        )
    if found.foreign_images:
        many = found.foreign_images != 1
        yield (
            f"{counted(found.foreign_images, 'image')} of rows that SOURCE does not "
            f"hold: {'they stay' if many else 'it stays'} in images.zip, and "
            f"{'are' if many else 'is'} in no table"
        )
    if found.damaged_images:
        places = counted(found.damaged_images, "damaged place")
        yield f"{places} in images.zip: what stood there cannot be read any more"
    if found.missing_images:
        many = found.missing_images != 1
        were, are, them = ("were", "are", "them") if many else ("was", "is", "it")
        yield (
            f"{counted(found.missing_images, 'image')} that {were} bought {are} not in "
            f"images.zip: put the file back, or buy {them} again with --rebuy"
        )
    if found.lost_tasks:
        many = found.lost_tasks != 1
        yield (
            f"{counted(found.lost_tasks, 'accepted task')} whose number no file names: "
            f"{'they cannot' if many else 'it cannot'} be asked for, and "
            f"{'stand' if many else 'stands'} as at risk"
        )
    if found.lost_answers:
        many = len(found.lost_answers) != 1
        yield (
            f"{', '.join(found.lost_answers)}: {'answers' if many else 'an answer'} to "
            f"{'requests' if many else 'a request'} whose row no file names; the price "
            "stands as at risk"
        )
    yield from _unknown_lines(found, totals)


def _unknown_lines(found: Recovered, totals: Totals) -> Iterator[str]:
    if not found.may_lack_purchases:
        yield "run.log names every purchase since then: nothing is known to be missing"
        return
    since = "at all" if found.tables_until is None else "after that moment"
    cost = "the price of a purchase"
    if found.highest is not None:
        cost = f"up to {dollars(to_usd(found.highest), pretend=totals.rehearsed)}"
    yield (
        f"cannot be known: what was sent {since} and left no image in the ZIP, because "
        "run.log does not name every purchase. Each such request may have cost "
        f"{cost}, which no amount above holds, and its row may be bought again. To "
        "compare with the provider's bill: batchgen reconcile"
    )


def fields_of(folder: Path, found: Recovered, run_command: str) -> Mapping[str, Any]:
    """Return the document of a recovery."""
    until = found.tables_until
    highest = None if found.highest is None else to_usd(found.highest)
    return {
        "folder": str(folder),
        **folder_fields(_totals(found)),
        "moved_aside": found.moved_aside,
        "unreadable": found.unreadable,
        "tables_until": None if until is None else utc(until),
        "purchases": {
            "in_table": found.table_attempts,
            "in_log_only": found.log_attempts,
            "to_fetch": found.tasks,
            "lost_tasks": found.lost_tasks,
            "lost_answers": [*found.lost_answers],
        },
        "zip": {
            "images": found.images,
            "newer_images": found.newer_images,
            "priced_by_list": found.priced_by_list,
            "unpriced_images": found.unpriced_images,
            "images_of_no_row": found.foreign_images,
            "damaged_places": found.damaged_images,
            "missing_images": found.missing_images,
        },
        "may_lack_purchases": found.may_lack_purchases,
        "highest_usd": highest,
        "command": run_command,
    }


def _totals(found: Recovered) -> Totals:
    assert found.totals is not None  # noqa: S101 - a recovery that ended has them
    return found.totals
