"""Run the sandbox: one process, one state folder, and always the same port."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anyio
import uvicorn

from batchgen.sandbox.app import build_app
from batchgen.sandbox.broken_replies import ConnectionProtocol
from batchgen.sandbox.faults import Faults, Profile
from batchgen.sandbox.sandbox_context import Latency, SandboxContext
from batchgen.sandbox.services import all_services
from batchgen.sandbox.state import State

_HOST = "127.0.0.1"
_STATE_FILE = "sandbox.db"
# Below the range in which the system chooses ports of outgoing connections: otherwise
# such a connection could have our port when we need it again.
_PORTS = range(20_000, 32_000)
_BIND_TRIES = 100
_BIND_FOR_S = 10.0
# Longer than clients keep idle connections. Otherwise a request could be sent just as
# the sandbox closes its connection, and its outcome would be unknown.
_KEEP_ALIVE_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run.

    Attributes:
        state: Folder of the state file; created if missing.
        port: None for the port of the last time, or for any port the first time.
        with_parent: End when stdin ends, and ignore the terminal's signals.
    """

    state: Path
    port: int | None = None
    faults: Profile = "calm"
    seed: int = 0
    latency: Latency = None
    with_parent: bool = False


class PortTaken(OSError):
    """Another process has the port, and kept it."""


class _Server(uvicorn.Server):
    """A server that reports when it accepts connections, and handles no signals."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._ready()


def serve(
    state: Path,
    *,
    announce: Callable[[str], None],
    port: int | None = None,
    faults: Profile = "calm",
    seed: int = 0,
    latency: Latency = None,
) -> None:
    """Serve in the foreground until a signal comes; `announce` gets the URLs.

    Raises:
        PortTaken: Another process has the port.
    """

    def announce_urls(port: int) -> None:
        root = f"http://{_HOST}:{port}"
        for name in all_services():
            announce(f"{name:<12} {root}/{name}")
        announce(f"{'bill':<12} {root}/_sandbox/bill")

    run(
        Options(state=state, port=port, faults=faults, seed=seed, latency=latency),
        announce_urls,
    )


def run(options: Options, ready: Callable[[int], None]) -> None:
    """Serve until a signal comes or the parent ends; `ready` gets the port.

    Raises:
        PortTaken: Another process has the port.
    """
    if options.with_parent:
        # On Ctrl-C the terminal signals this process, too; the parent needs replies.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    anyio.run(_run, options, ready)


def _end_with_stdin() -> None:
    # Not through sys.stdin, which would be locked when the interpreter ends.
    while os.read(0, 4096):
        pass
    # At once: all transactions are committed, and no client is left.
    os._exit(0)


async def _run(options: Options, ready: Callable[[int], None]) -> None:
    with State(options.state / _STATE_FILE) as state:
        preferred_port = options.port or state.read_setting("port")
        with await _bind(preferred_port) as listener:
            port: int = listener.getsockname()[1]
            state.write_setting("port", port)
            context = SandboxContext(
                state,
                Faults(options.faults, options.seed),
                url=f"http://{_HOST}:{port}",
                latency=options.latency,
                clock=lambda: datetime.now(UTC).timestamp(),
            )
            config = uvicorn.Config(
                build_app(context),
                http=ConnectionProtocol,
                ws="none",
                lifespan="off",
                log_level="warning",
                access_log=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=2,
            )
            server = _Server(config, lambda: ready(port))
            await _serve_until_signal(server, listener, with_parent=options.with_parent)


async def _serve_until_signal(
    server: _Server, listener: socket.socket, *, with_parent: bool
) -> None:
    stop_signals = [signal.SIGTERM]
    if not with_parent:
        stop_signals += [signal.SIGINT, signal.SIGHUP]

    async def stop_on_signal() -> None:
        with anyio.open_signal_receiver(*stop_signals) as signals:
            async for _ in signals:
                server.should_exit = True

    async with anyio.create_task_group() as group:
        group.start_soon(stop_on_signal)
        await server.serve(sockets=[listener])
        group.cancel_scope.cancel()


async def _bind(preferred_port: int | None) -> socket.socket:
    """Return a listening socket; wait for a port that this sandbox had before."""
    if preferred_port is None:
        return _bind_any()
    give_up = anyio.current_time() + _BIND_FOR_S
    while True:
        try:
            return _listen(preferred_port)
        except OSError as error:
            if anyio.current_time() > give_up:
                raise PortTaken(
                    f"port {preferred_port} of the sandbox is taken by another process"
                ) from error
        await anyio.sleep(0.05)


def _bind_any() -> socket.socket:
    for _ in range(_BIND_TRIES):
        try:
            return _listen(random.choice(_PORTS))
        except OSError:
            continue
    return _listen(0)


def _listen(port: int) -> socket.socket:
    # asyncio disables Nagle's algorithm only if the protocol is given; otherwise each
    # reply waits 40 ms for an acknowledgement between its head and body.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Connections of the last run may linger on the port for minutes.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        # Only listen() reserves the port: until then, two sockets may be bound to it.
        listener.listen(2048)
    except BaseException:
        listener.close()
        raise
    listener.settimeout(0)
    return listener
