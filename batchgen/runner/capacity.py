"""How many purchases at a time this process may make, by its limit of open files.

The system counts files and sockets together. First come the files that storing needs,
then the sockets for polls and downloads, then those for purchases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from batchgen import open_files
from batchgen.admission.learned_limits import max_concurrency_of
from batchgen.admission.preparation import AHEAD
from batchgen.admission.provider_queue import POLLS_AT_ONCE
from batchgen.admission.run_context import DOWNLOADS_AT_ONCE
from batchgen.errors import SpecError
from batchgen.model import Job
from batchgen.providers.base import Provider
from batchgen.threads import few_threads_message, may_start, threads_needed
from batchgen.wire.sockets import SocketLimits

MIN_FILES, MAX_FILES = 20, 64
"""Files that are opened during the purchases: references, kept replies, name look-ups,
a second reader of the ledger, tables [assumed]."""

MIN_SOCKETS = 8
MAX_KEPT_ALIVE = 64
OTHERS_SHARE, KEPT_ALIVE_SHARE = 4, 8
"""Of scarce sockets a fourth is for polls, downloads and uploads, and an eighth for
connections that stay open after a response [assumed]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What a run may have open.

    Attributes:
        purchases: How many at a time, by provider.
        sockets: The limits of the transport.
        notice: A message for the user; None if the limit slows nothing down.
    """

    purchases: Mapping[str, int]
    sockets: SocketLimits
    notice: str | None = None


def capacity_of(
    job: Job, providers: Mapping[str, Provider], *, limit: int, already_open: int
) -> Capacity:
    """Return what a run may have open under a limit of the system.

    Args:
        job: The job.
        providers: Every provider by name.
        limit: Files and sockets that this process may have open.
        already_open: How many are open, including all that storing needs.

    Raises:
        SpecError: not even a few purchases at a time are possible.
    """
    requested = {
        name: max_concurrency_of(job.terms_of(name), providers[name].defaults)
        for name in job.providers
    }
    max_others = DOWNLOADS_AT_ONCE + len(requested) * (POLLS_AT_ONCE + AHEAD)
    total = sum(requested.values())
    files = already_open + min(max(limit // 8, MIN_FILES), MAX_FILES)
    sockets = limit - files
    if sockets < MIN_SOCKETS:
        raise SpecError(
            f"this process may open {limit:,} files, and a run needs at least "
            f"{files + MIN_SOCKETS}: {_remedy(files + MIN_SOCKETS)}. Nothing was "
            "sent"
        )
    remaining = sockets - total - max_others
    if remaining >= 0:
        limits = SocketLimits(total=sockets, others=max_others, kept_alive=remaining)
        return Capacity(purchases=requested, sockets=limits)
    others = min(max_others, sockets // OTHERS_SHARE)
    kept_alive = min(MAX_KEPT_ALIVE, sockets // KEPT_ALIVE_SHARE)
    possible = sockets - others - kept_alive
    limits = SocketLimits(total=sockets, others=others, kept_alive=kept_alive)
    if possible >= total:
        return Capacity(purchases=requested, sockets=limits)
    return Capacity(
        purchases={  # in proportion to what each provider may do
            name: max(1, possible * count // total) for name, count in requested.items()
        },
        sockets=limits,
        notice=_notice(
            total,
            possible,
            limit,
            needed=already_open + MAX_FILES + total + max_others,
        ),
    )


def _notice(total: int, possible: int, limit: int, needed: int) -> str:
    return (
        f"{total:,} purchases at a time need {needed:,} open files and sockets. This "
        f"process may open {limit:,} files, so at most {possible:,} are made at a "
        f"time. For more, {_remedy(needed)}, and run the same command again"
    )


def _remedy(needed: int) -> str:
    return (
        f"raise the limit before the command (`ulimit -n {needed}`; in a container "
        f"`docker run --ulimit nofile={needed}`)"
    )


def capacity_now(job: Job, providers: Mapping[str, Provider]) -> Capacity:
    """Return what a run in this process may have open; raises as `capacity_of` does.

    Raises:
        SpecError: it may not start the threads that storing needs.
    """
    if not may_start(threads_needed()):
        raise SpecError(f"{few_threads_message()}. Nothing was sent")
    return capacity_of(
        job,
        providers,
        limit=open_files.limit(),
        already_open=open_files.count_open(),
    )
