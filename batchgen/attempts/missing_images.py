"""Images of one attempt that were paid for and are not in the archive yet.

Where their links have no answer, they are left to a later run, or stop their provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from batchgen.admission.link_hosts import LinkHost
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.run_context import Run
from batchgen.errors import (
    AttemptError,
    ImageRejected,
    Incomplete,
    LinkLost,
    LinksUnreachable,
    Retryable,
)
from batchgen.model import Link


@dataclass(slots=True)
class MissingImages:
    """Images of one attempt that are still to be downloaded.

    Attributes:
        links: By the image's number; an empty one was not stored, because it contained
            a key.
        failures: Why each did not download in the last round.
        loss: Why other images of the attempt are lost for certain.
        rounds: How often the links were tried so far.
        began: When they were first tried, in monotonic seconds.
    """

    links: dict[int, Link]
    failures: dict[int, AttemptError] = field(default_factory=dict)
    loss: AttemptError | None = None
    rounds: int = 0
    began: float = 0.0

    @property
    def error(self) -> AttemptError:
        """Why the attempt lacks images: the reason of the last one."""
        failures = list(self.failures.values())
        error = failures[-1] if failures else self.loss
        return error or LinkLost("the run", "no link was kept")

    @property
    def all_retryable(self) -> bool:
        """Whether each failure of the last round is one that may pass."""
        return all(isinstance(error, Retryable) for error in self.failures.values())

    @property
    def are_rejected(self) -> bool:
        """Whether the last round brought only bytes that are no images."""
        failures = self.failures.values()
        return bool(failures) and all(
            isinstance(error, ImageRejected) and not error.may_come
            for error in failures
        )

    @property
    def may_come(self) -> bool:
        """Whether waiting may help at least one of them."""
        return not all(
            isinstance(error, LinkLost | ImageRejected) and error.is_final
            for error in self.failures.values()
        )

    def renew(self, fresh: Mapping[int, Link]) -> dict[int, Link]:
        """Replace missing images' links by fresh ones; return those that changed."""
        changed = {
            image: link
            for image, link in fresh.items()
            if image in self.links and self.links[image] != link
        }
        self.links.update(changed)
        return changed


def refuse_silence(missing: MissingImages, queue: ProviderQueue) -> None:
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
    run: Run, queue: ProviderQueue, host: LinkHost, missing: MissingImages
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
