"""Images of one attempt that were paid for and are not in the archive yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchgen.errors import AttemptError, ImageRejected, LinkLost, Retryable
from batchgen.model import Link


@dataclass(slots=True)
class Missing:
    """Images of one attempt that are still to be downloaded.

    Attributes:
        links: By the image's number; an empty one was not stored, because it contained
            a key.
        failures: Why each did not download in the last round.
        lost: Why other images of the attempt are lost for certain.
        rounds: How often the links were tried so far.
        began: When they were first tried, in monotonic seconds.
    """

    links: dict[int, Link]
    failures: dict[int, AttemptError] = field(default_factory=dict)
    lost: AttemptError | None = None
    rounds: int = 0
    began: float = 0.0

    @property
    def error(self) -> AttemptError:
        """Why the attempt lacks images: the reason of the last one."""
        failures = list(self.failures.values())
        error = failures[-1] if failures else self.lost
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
        return any(not _is_final(error) for error in self.failures.values())

    def renew(self, fresh: Mapping[int, Link]) -> dict[int, Link]:
        """Replace missing images' links by fresh ones; return those that changed."""
        changed = {
            image: link
            for image, link in fresh.items()
            if image in self.links and self.links[image] != link
        }
        self.links.update(changed)
        return changed


def _is_final(error: AttemptError) -> bool:
    return isinstance(error, LinkLost | ImageRejected) and error.is_final
