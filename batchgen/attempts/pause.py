"""Wait during work that costs nothing, unless the run stops."""

from __future__ import annotations

import anyio

from batchgen.admission.run_context import Run
from batchgen.errors import Incomplete


async def pause(run: Run, seconds: float) -> None:
    """Wait, unless the run stops.

    Raises:
        Incomplete: the run stops; a later run goes on.
    """
    with run.cut_short():
        await anyio.sleep(seconds)
        return
    raise stopped()


def stopped() -> Incomplete:
    """Return the error with which a stopping run leaves an image to a later run."""
    return Incomplete("the run", "stopped while the image was waited for")
