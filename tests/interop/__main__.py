"""`python -m tests.interop`: official SDKs, real gateways and mock servers.

They are installed in a virtual environment of their own, which BATCHGEN_INTEROP names.
Each check prints one line; exit code 1 if one fails, 2 if packages are missing. All
traffic stays on loopback, and every server ends with the command.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from batchgen.sandbox import start_sandbox
from tests.interop.environment import Environment, Unusable, find_environment
from tests.interop.findings import Finding, show
from tests.interop.gateways import check_gateways
from tests.interop.mocks import check_mocks
from tests.interop.sdks import check_sdks

Suite = Callable[[Environment, Path], Iterator[Finding]]


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    suites = parser.parse_args(arguments).suites
    if unknown := set(suites) - SUITES.keys():
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    try:
        environment = find_environment()
    except Unusable as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"against {environment.describe()}\n")
    with tempfile.TemporaryDirectory(prefix="batchgen-interop-") as folder:
        return show(_run(environment, Path(folder), suites or list(SUITES)))


def _run(
    environment: Environment, folder: Path, names: Sequence[str]
) -> Iterator[Finding]:
    for name in names:
        yield from SUITES[name](environment, folder / name)


def _sdks(environment: Environment, folder: Path) -> Iterator[Finding]:
    with start_sandbox(folder, latency=0) as shop:
        yield from check_sdks(environment, shop)


SUITES: Mapping[str, Suite] = {
    "sdks": _sdks,
    "gateways": check_gateways,
    "mocks": check_mocks,
}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
