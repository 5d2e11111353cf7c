"""Start the sandbox as a child process that cannot outlive its parent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from urllib.request import ProxyHandler, Request, build_opener

KEY = "rk_5f0c1e7a9d3b48268ae4f7c2d19b6035"
"""The fixed key that rehearsals send; no real service accepts it."""

_LOG = "sandbox.log"
_STOP_WITHIN_S = 5.0
_REPLY_WITHIN_S = 30.0
_PACKAGES = Path(__file__).resolve().parents[2]


class SandboxFailed(RuntimeError):
    """The sandbox did not start; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxProcess:
    """A sandbox that runs as a child of this process.

    Attributes:
        url: Scheme, host and port, without a slash at the end.
    """

    url: str
    process: subprocess.Popen[bytes]

    def provider_url(self, name: str) -> str:
        return f"{self.url}/{name}"

    def bill(self, provider: str | None = None) -> dict[str, Any]:
        """Return the bill: `total_usd`, `total_nano_usd` and `entries`."""
        return self._object("bill" if provider is None else f"bill?provider={provider}")

    def bill_as_csv(self, provider: str) -> bytes:
        """Return a provider's bill as it would export it: `id`, `time`, `amount`."""
        return self._get(f"bill.csv?provider={provider}")

    def tariff(self) -> dict[str, Any]:
        """Return by provider and resolution `expected_usd` and `ceiling_usd`."""
        return self._object("tariff")

    def requests(self) -> list[dict[str, Any]]:
        """Return every purchase request that arrived, oldest first."""
        return self._list("requests")

    def uploads(self) -> list[dict[str, Any]]:
        """Return every reference image that was uploaded, oldest first."""
        return self._list("uploads")

    def faults(self) -> dict[str, Any]:
        """Return the faults that are `queued`, and how many replies are `held`."""
        return self._object("faults")

    def queue_fault(self, provider: str, fault: str, times: int = 1) -> None:
        """Make the next requests of a provider fail with this fault."""
        self._get("faults", {"provider": provider, "fault": fault, "times": times})

    def release(self) -> None:
        """Send the replies that the fault `slow` holds back."""
        self._get("release", {})

    def _object(self, page: str) -> dict[str, Any]:
        return dict(json.loads(self._get(page), parse_float=Decimal))

    def _list(self, page: str) -> list[dict[str, Any]]:
        return list(json.loads(self._get(page), parse_float=Decimal))

    def _get(self, page: str, body: dict[str, Any] | None = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = Request(  # noqa: S310  the address is our own child's
            f"{self.url}/_sandbox/{page}",
            data=data,
            headers={"content-type": "application/json"},
        )
        # Without the proxy of the environment: the child is on this machine.
        opener = build_opener(ProxyHandler({}))
        with opener.open(request, timeout=_REPLY_WITHIN_S) as reply:
            return bytes(reply.read())


@contextmanager
def start_sandbox(
    state: Path,
    *,
    faults: Literal["calm", "storm", "outage"] = "calm",
    seed: int = 0,
    latency: float | Literal["real"] | None = None,
) -> Iterator[SandboxProcess]:
    """Run a sandbox until the block ends, or until this process ends.

    Args:
        state: Folder for its state and log; created if missing. Bill, tasks, links and
            port of an earlier sandbox in this folder are kept.
        faults: The profile of faults.
        seed: Decides which requests meet a fault.
        latency: Seconds that an image takes; None for a fraction of a second.

    Raises:
        SandboxFailed: The sandbox did not start.
    """
    state.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-P", "-m", "batchgen.sandbox", "--die-with-parent"),
        *("--state", str(state), "--faults", faults, "--seed", str(seed)),
    ]
    if latency is not None:
        command += ["--latency", str(latency)]
    with (state / _LOG).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  our own module, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(),
            # So that the terminal's Ctrl-C never reaches it.
            start_new_session=True,
        )
    try:
        yield SandboxProcess(url=_wait_until_ready(process, state), process=process)
    finally:
        _stop(process)


def _environment() -> dict[str, str]:
    """Return the environment without the user's keys, and with batchgen's package."""
    environment = {
        name: value for name, value in os.environ.items() if not name.endswith("_KEY")
    }
    paths = [str(_PACKAGES), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return environment


def _wait_until_ready(process: subprocess.Popen[bytes], state: Path) -> str:
    assert process.stdout is not None  # noqa: S101  it is a pipe
    line = process.stdout.readline()
    if not line:
        process.wait()
        log = (state / _LOG).read_text("utf-8", "replace").strip()
        reason = log.splitlines()[-1] if log else f"exit code {process.returncode}"
        raise SandboxFailed(f"the sandbox did not start: {reason}")
    return f"http://127.0.0.1:{json.loads(line)['port']}"


def _stop(process: subprocess.Popen[bytes]) -> None:
    try:
        # It closes the child's stdin, at whose end the sandbox ends.
        process.communicate(timeout=_STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
