"""Run the sandbox: one process, one port that it keeps, one state folder."""

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
from batchgen.sandbox.connection import OpenHttp
from batchgen.sandbox.faults import Faults, Profile
from batchgen.sandbox.services import all_services
from batchgen.sandbox.state import State
from batchgen.sandbox.workshop import Latency, Workshop

_HOST = "127.0.0.1"
_STATE_FILE = "sandbox.db"
# Below the range from which the system takes ports for outgoing connections: one
# of those could otherwise sit on our port when we want it back.
_PORTS = range(20_000, 32_000)
_BIND_TRIES = 100
_BIND_FOR_S = 10.0
# Clients give up idle connections first. The other way round, a request could leave
# just as its connection closes, and nobody could tell what became of it.
_KEEP_ALIVE_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run.

    Attributes:
        state: Folder of the state file; made if missing.
        port: None for the port of last time, or any if there was none.
        with_parent: End when stdin does, and leave the terminal's signals alone.
    """

    state: Path
    port: int | None = None
    faults: Profile = "calm"
    seed: int = 0
    latency: Latency = None
    with_parent: bool = False


class PortTaken(OSError):
    """Another process has the port, and did not go away."""


class _Server(uvicorn.Server):
    """Server that says when it accepts connections and leaves signals to us."""

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

    def tell(port: int) -> None:
        root = f"http://{_HOST}:{port}"
        for name in all_services():
            announce(f"{name:<12} {root}/{name}")
        announce(f"{'bill':<12} {root}/_sandbox/bill")

    run(
        Options(state=state, port=port, faults=faults, seed=seed, latency=latency),
        tell,
    )


def run(options: Options, ready: Callable[[int], None]) -> None:
    """Serve until a signal comes or the parent is gone; `ready` gets the port.

    Raises:
        PortTaken: Another process has the port.
    """
    if options.with_parent:
        # The parent still wants replies when the terminal tells everybody to stop.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    anyio.run(_run, options, ready)


def _end_with_stdin() -> None:
    # Not through sys.stdin: its lock would be held when the interpreter ends.
    while os.read(0, 4096):
        pass
    # At once: all that counts is committed, and nobody is left to be answered.
    os._exit(0)


async def _run(options: Options, ready: Callable[[int], None]) -> None:
    with State(options.state / _STATE_FILE) as state:
        wanted = options.port or state.read_setting("port")
        with await _bind(wanted) as listener:
            port: int = listener.getsockname()[1]
            state.write_setting("port", port)
            shop = Workshop(
                state,
                Faults(options.faults, options.seed),
                url=f"http://{_HOST}:{port}",
                latency=options.latency,
                clock=lambda: datetime.now(UTC).timestamp(),
            )
            server = _Server(_configure(shop), lambda: ready(port))
            await _serve_until_told(server, listener, with_parent=options.with_parent)


def _configure(shop: Workshop) -> uvicorn.Config:
    return uvicorn.Config(
        build_app(shop),
        http=OpenHttp,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=2,
    )


async def _serve_until_told(
    server: _Server, listener: socket.socket, *, with_parent: bool
) -> None:
    told = [signal.SIGTERM]
    if not with_parent:
        told += [signal.SIGINT, signal.SIGHUP]

    async def stop_on_signal() -> None:
        with anyio.open_signal_receiver(*told) as signals:
            async for _ in signals:
                server.should_exit = True

    async with anyio.create_task_group() as group:
        group.start_soon(stop_on_signal)
        await server.serve(sockets=[listener])
        group.cancel_scope.cancel()


async def _bind(wanted: int | None) -> socket.socket:
    """Return a listening socket; wait a while for a port that was ours before."""
    if wanted is None:
        return _bind_any()
    give_up = anyio.current_time() + _BIND_FOR_S
    while True:
        try:
            return _listen(wanted)
        except OSError as error:
            if anyio.current_time() > give_up:
                raise PortTaken(
                    f"port {wanted} of the sandbox is taken by another process"
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
    # asyncio sends small pieces at once only where the protocol is named; without
    # that, each reply of head and body waits 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Connections of the last run may linger on the port for minutes.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        # Only listening makes the port ours: two may be bound to it until then.
        listener.listen(2048)
    except BaseException:
        listener.close()
        raise
    listener.settimeout(0)
    return listener
