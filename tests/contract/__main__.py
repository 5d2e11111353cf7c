"""Cross all that providers can be asked for: `python -m tests.contract`.

Every ratio, resolution, number of images and kind of reference with all others, at the
sandbox: thousands of rows. `--provider NAME` (more than once if you like) chooses;
`--pairs` buys the few hundred rows that the tests buy. Prints a line of figures for
each provider, or fails with what did not hold; then the folder is kept.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import anyio

from batchgen.model import dollars
from batchgen.providers import PROVIDERS
from batchgen.sandbox import start_sandbox
from tests.contract.crossing import all_rows, cross, pairwise_rows
from tests.contract.customer import Customer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.contract")
    parser.add_argument("--provider", choices=list(PROVIDERS), action="append")
    parser.add_argument("--pairs", action="store_true")
    arguments = parser.parse_args()
    for provider in arguments.provider or PROVIDERS:
        sys.stdout.write(f"{summary(provider, pairs=arguments.pairs)}\n")
        sys.stdout.flush()


def summary(provider: str, *, pairs: bool) -> str:
    """Cross one provider and return the figures."""
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"crossing-{provider}-"))
    sys.stderr.write(f"{folder}\n")
    with start_sandbox(folder / "bank", latency=0.0) as bank:
        customer = Customer(folder, bank, provider)
        run = anyio.run(cross, customer, pairwise_rows if pairs else all_rows)
    shutil.rmtree(folder)
    facts = (
        f"{run.rows} rows",
        f"{run.images} images in {run.requests} requests",
        f"{run.wrong_sizes} of a wrong size",
        f"spent {dollars(run.spent_nano)}, billed {dollars(run.billed_nano)}",
        f"{time.monotonic() - started:.0f} s",
    )
    return f"{provider}: {'; '.join(facts)}"


if __name__ == "__main__":
    main()
