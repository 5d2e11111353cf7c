"""Real proxies and servers of the field, started for a test on loopback.

Debian's packages `nginx-light`, `haproxy` and `squid`; where one is not installed, its
tests are skipped.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

START_S = 30.0
"""Seconds that a daemon may take until its port accepts connections."""


def free_port() -> int:
    """Return a port of loopback on which nobody listens now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def program(name: str) -> str:
    """Return the path of an installed daemon, or skip the test."""
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


@contextmanager
def daemon(command: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """Run a daemon in the foreground until the block ends.

    Args:
        command: Starts the daemon so that the process stays in the foreground.
        port: The block begins when this port of loopback accepts connections.
        log: Gets the daemon's output; shown when the daemon does not start.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        _wait_until_listening(process, port, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=START_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_listening(
    process: subprocess.Popen[bytes], port: int, log: Path
) -> None:
    end_s = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            words = log.read_text("utf-8", "replace")
            assert process.poll() is None, f"the daemon ended: {words}"
            assert time.monotonic() < end_s, f"the daemon does not listen: {words}"
            time.sleep(0.02)
        else:
            return
