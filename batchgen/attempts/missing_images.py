"""Images of one attempt that were paid for and are not in the archive yet."""

from __future__ import annotations

from dataclasses import dataclass, field

from batchgen.errors import AttemptError, ImageRejected, LinkLost
from batchgen.model import Link


@dataclass(slots=True)
class Missing:
    """Images of one attempt that are still to be had.

    Attributes:
        links: By the image's number; an empty one was not written, for a key stood in
            it.
        failures: Why each did not download in the last round.
        lost: Why others of the attempt surely cannot be had.
        rounds: How often they were tried by now.
        began: When they were first tried, in monotonic seconds.
    """

    links: dict[int, Link]
    failures: dict[int, AttemptError] = field(default_factory=dict)
    lost: AttemptError | None = None
    rounds: int = 0
    began: float = 0.0

    @property
    def error(self) -> AttemptError:
        """Why the attempt lacks images; the reason of the last one is told."""
        failures = list(self.failures.values())
        error = failures[-1] if failures else self.lost
        return error or LinkLost("the run", "no link was kept")

    @property
    def are_rejected(self) -> bool:
        """Whether all that came in the last round were bytes of something else."""
        failures = self.failures.values()
        return bool(failures) and all(
            isinstance(error, ImageRejected) and not error.may_come
            for error in failures
        )

    @property
    def may_come(self) -> bool:
        """Whether waiting may help at least one of them."""
        return any(not _is_final(error) for error in self.failures.values())


def _is_final(error: AttemptError) -> bool:
    return isinstance(error, LinkLost | ImageRejected) and error.is_final
