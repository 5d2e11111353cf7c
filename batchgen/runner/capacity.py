"""How many purchases at a time this process has sockets for, shared out before money.

Files and sockets are counted by one limit of the system. What storing needs comes
first, then what brings home what was bought, then purchases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from batchgen import open_files
from batchgen.admission.found_limits import max_concurrency_of
from batchgen.admission.preparation import AHEAD
from batchgen.admission.provider_queue import POLLS_AT_ONCE
from batchgen.admission.run_context import DOWNLOADS_AT_ONCE
from batchgen.errors import SpecError
from batchgen.model import Job
from batchgen.providers.base import Provider
from batchgen.threads import few_threads_message, may_start, threads_needed
from batchgen.wire.sockets import SocketLimits

LEAST_FOR_FILES, MOST_FOR_FILES = 20, 64
"""Files that are opened while rows are bought: references, kept replies, looking up
names, a second reader of the ledger, tables [assumed]."""

LEAST_SOCKETS = 8
MOST_KEPT_ALIVE = 64
OTHERS_SHARE, KEPT_ALIVE_SHARE = 4, 8
"""Of scarce sockets a fourth is for polls, downloads and uploads, and an eighth for
connections that stay open behind a response [assumed]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What a run may have open.

    Attributes:
        purchases: At a time, by provider.
        sockets: Of the transport.
        notice: What to tell the user; None where nothing is held back.
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
        already_open: How many it has, all that storing needs among them.

    Raises:
        SpecError: not even a few purchases at a time are possible.
    """
    requested = {
        name: max_concurrency_of(job.terms_of(name), providers[name].defaults)
        for name in job.providers
    }
    wanted_others = DOWNLOADS_AT_ONCE + len(requested) * (POLLS_AT_ONCE + AHEAD)
    total = sum(requested.values())
    files = already_open + min(max(limit // 8, LEAST_FOR_FILES), MOST_FOR_FILES)
    sockets = limit - files
    if sockets < LEAST_SOCKETS:
        raise SpecError(
            f"this process may open {limit:,} files, and a run needs at least "
            f"{files + LEAST_SOCKETS}: {_way_out(files + LEAST_SOCKETS)}. Nothing was "
            "sent"
        )
    remaining = sockets - total - wanted_others
    if remaining >= 0:
        limits = SocketLimits(total=sockets, others=wanted_others, kept_alive=remaining)
        return Capacity(purchases=requested, sockets=limits)
    others = min(wanted_others, sockets // OTHERS_SHARE)
    kept_alive = min(MOST_KEPT_ALIVE, sockets // KEPT_ALIVE_SHARE)
    possible = sockets - others - kept_alive
    limits = SocketLimits(total=sockets, others=others, kept_alive=kept_alive)
    if possible >= total:
        return Capacity(purchases=requested, sockets=limits)
    return Capacity(
        purchases=_shared_out(requested, possible),
        sockets=limits,
        notice=_notice(
            total,
            possible,
            limit,
            needed=already_open + MOST_FOR_FILES + total + wanted_others,
        ),
    )


def _shared_out(requested: Mapping[str, int], possible: int) -> dict[str, int]:
    """Return what each provider gets of what is possible, by what each may do."""
    total = sum(requested.values())
    return {name: max(1, possible * wish // total) for name, wish in requested.items()}


def _notice(total: int, possible: int, limit: int, needed: int) -> str:
    return (
        f"{total:,} purchases at a time need {needed:,} open files and sockets. This "
        f"process may open {limit:,} files, so at most {possible:,} are made at a "
        f"time. For more, {_way_out(needed)}, and run the same command again"
    )


def _way_out(needed: int) -> str:
    return (
        f"raise the limit before the command (`ulimit -n {needed}`; in a container "
        f"`docker run --ulimit nofile={needed}`)"
    )


def capacity_now(job: Job, providers: Mapping[str, Provider]) -> Capacity:
    """Return what a run in this process may have open; raises as `capacity_of` does.

    Raises:
        SpecError: it may not even start the threads that store what comes.
    """
    if not may_start(threads_needed()):
        raise SpecError(f"{few_threads_message()}. Nothing was sent")
    return capacity_of(
        job,
        providers,
        limit=open_files.limit(),
        already_open=open_files.count_open(),
    )
