"""When links without an answer are left to a later run, or stop their provider."""

from __future__ import annotations

from typing import NoReturn

from batchgen.admission.link_hosts import LinkHost
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.run_context import Run
from batchgen.attempts.missing_images import Missing
from batchgen.errors import Incomplete, LinksUnreachable


def refuse_silence(missing: Missing, queue: ProviderQueue) -> None:
    """Leave links to a later run that had no answer: the network may be at fault.

    The network is not at fault if a machine refused the connection, or if other images
    came while connections to these links failed.

    Raises:
        Incomplete: there was no answer.
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
    """Stop a provider whose images cannot be downloaded; the ledger keeps the links.

    Raises:
        Incomplete: always; a later run downloads the images.
    """
    error = next(iter(missing.failures.values()))
    if queue.stopped is None:
        message = f"no image can be downloaded, {host.name} takes no connection"
        queue.stop(LinksUnreachable(queue.name, message))
        run.log.error("provider_stopped", extra={"provider": queue.name})
        run.progress.notice(
            f"{queue.name}: {host.name} takes no connection, and the images that were "
            f"paid for are there ({run.redactor.redact(error.message)}). Nothing more "
            "is bought; the next run downloads them"
        )
    raise error
