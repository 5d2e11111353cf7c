"""Wait for something that costs nothing to wait for, unless the run is to stop."""

from __future__ import annotations

import anyio

from batchgen.admission.run_context import Run
from batchgen.errors import Incomplete


async def pause(run: Run, seconds: float) -> None:
    """Wait, unless the run is to stop.

    Raises:
        Incomplete: it is; a later run goes on.
    """
    with run.cut_short():
        await anyio.sleep(seconds)
        return
    raise stopped()


def stopped() -> Incomplete:
    """Return what an image is left to a later run with."""
    return Incomplete("the run", "stopped while the image was waited for")
