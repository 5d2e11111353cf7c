"""When links are given up that nobody answers: for a later run, or for this one."""

from __future__ import annotations

from typing import NoReturn

from batchgen.admission.link_hosts import LinkHost
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.run_context import Run
from batchgen.attempts.missing_images import Missing
from batchgen.errors import Incomplete, LinksUnreachable


def refuse_silence(missing: Missing, queue: ProviderQueue) -> None:
    """Leave to a later run what had no answer at all: the network may be to blame.

    It is not where a machine refused the connection, nor where other images came while
    these links could not be connected to.

    Raises:
        Incomplete: nobody answered.
    """
    others_came = queue.link_hosts.last_success > missing.began
    for error in missing.failures.values():
        if not isinstance(error, Incomplete) or error.was_answered:
            continue
        if error.connection == "made" or (
            error.connection == "failed" and not others_came
        ):
            raise error


def stop_for(
    run: Run, queue: ProviderQueue, host: LinkHost, missing: Missing
) -> NoReturn:
    """Buy nothing more whose images nobody can download; the links are kept.

    Raises:
        Incomplete: always; a later run downloads what was paid for.
    """
    error = next(iter(missing.failures.values()))
    if queue.stopped is None:
        words = f"no image can be downloaded, {host.name} takes no connection"
        queue.stop(LinksUnreachable(queue.name, words))
        run.log.error("provider_stopped", extra={"provider": queue.name})
        run.progress.notice(
            f"{queue.name}: {host.name} takes no connection, and the images that were "
            f"paid for are there ({run.redactor.redact(error.message)}). Nothing more "
            "is bought; the next run downloads them"
        )
    raise error
