"""Rows that build on the image of another one: they are bought when it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchgen.admission.run_context import Run


def queue_children(run: Run, row_id: int) -> None:
    """Queue the rows that waited for a row's images, once those are on disk.

    A row that its provider's scan has not reached yet is met there.
    """
    scope = run.job.rows_in_scope
    for child in run.ledger.children_ready(row_id):
        queue = run.queues.get(child.provider)
        if queue is None:
            continue
        if queue.stopped is not None:
            run.children_for_others += 1
        elif child.position <= queue.scanned_to and child.position in scope:
            queue.moved_rows.append(child.row_id)
