"""Servers of others, on loopback: a LiteLLM proxy, and mock servers."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from batchgen.providers import PROVIDERS
from batchgen.sandbox import KEY, SandboxProcess
from tests.interop.clients.checklist import make_png
from tests.interop.environment import Environment, child_environment
from tests.interop.findings import Failed, NotTried

MASTER_KEY = "sk-interop-9f86d081884c7d659a2f"
"""Opens the proxy."""
GUARD = Path(__file__).with_name("guard.py")
PROXY_TIMEOUT_S = 3
_READY_WITHIN_S = 180.0
_FAKEAI_LINK_PORT = 8000


@contextmanager
def start_server(
    command: Sequence[object],
    folder: Path,
    port: int,
    path: str,
    variables: Mapping[str, str],
) -> Iterator[str]:
    """Run a server until the block ends, or this process does, and yield its address.

    Raises:
        Failed: It does not answer on `path`; the end of its log says why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            [sys.executable, "-P", GUARD, *map(str, command)],
            cwd=folder,
            env=child_environment(**variables),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        url = f"http://127.0.0.1:{port}"
        try:
            if not _comes_up(process, url + path):
                raise Failed(f"{command[0]} did not start: {log.read_text()[-1500:]}")
            yield url
        finally:
            # The guard ends the server when its own input closes.
            process.communicate()


def _comes_up(process: subprocess.Popen[bytes], url: str) -> bool:
    opener = build_opener(ProxyHandler({}))
    give_up = time.monotonic() + _READY_WITHIN_S
    while process.poll() is None and time.monotonic() < give_up:
        try:
            opener.open(url, timeout=5).close()
        except HTTPError:
            return True
        except (URLError, OSError):
            time.sleep(0.2)
        else:
            return True
    return False


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def start_proxy(
    environment: Environment, folder: Path, fast: SandboxProcess, slow: SandboxProcess
) -> Iterator[str]:
    """Run a LiteLLM proxy in front of two sandboxes, without a database."""
    config = folder / "config.json"
    folder.mkdir(parents=True, exist_ok=True)
    config.write_text(json.dumps(_proxy_config(fast, slow)))
    port = free_port()
    command = [environment.command("litellm"), "--config", config, "--telemetry"]
    variables = {
        "GEMINI_API_KEY": KEY,
        "GEMINI_API_BASE": fast.provider_url("gemini"),
        "PATH": f"{environment.folder / 'bin'}:/usr/bin:/bin",
    }
    with start_server(
        [*command, "False", "--host", "127.0.0.1", "--port", port],
        folder,
        port,
        "/health/liveliness",
        variables,
    ) as url:
        yield url


def _proxy_config(fast: SandboxProcess, slow: SandboxProcess) -> dict[str, object]:
    """Return its configuration, as JSON, which is YAML, too."""
    base = {"model": "openai/gpt-image-2", "max_retries": 0, "api_key": KEY}
    quick = {**base, "api_base": f"{fast.provider_url('openai')}/v1"}
    thinking = {
        "model": f"gemini/{PROVIDERS['gemini'].defaults.model}",
        "api_base": f"{fast.provider_url('gemini')}/v1beta",
        "api_key": KEY,
    }
    # Not at OpenAI: there litellm buys a request that times out three times, whatever
    # its retries are set to, and no client could know of that.
    late = {**thinking, "api_base": f"{slow.provider_url('gemini')}/v1beta"}
    models = {
        "gpt-image-2": quick,
        "impatient": {**late, "timeout": PROXY_TIMEOUT_S},
        "upstream-refuses-key": {**quick, "api_key": "sk-wrong-0123456789"},
        "upstream-without-credit": {**quick, "api_key": "sk-broke-0123456789"},
        "thinking": thinking,
    }
    return {
        "model_list": [
            {"model_name": name, "litellm_params": terms}
            for name, terms in models.items()
        ],
        "litellm_settings": {"num_retries": 0, "telemetry": False},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        "general_settings": {"master_key": MASTER_KEY},
    }


@contextmanager
def start_fakeai(environment: Environment, folder: Path) -> Iterator[str]:
    """Run fakeai, which serves links to images that it drew.

    Raises:
        NotTried: The port that its links name, whatever it listens on, is taken.
    """
    port = _FAKEAI_LINK_PORT
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise NotTried(f"another program listens on port {port}") from error
    command = [environment.command("fakeai"), "server", "--host", "127.0.0.1"]
    with start_server([*command, "--port", port], folder, port, "/health", {}) as url:
        yield url


@contextmanager
def start_llmock(environment: Environment, folder: Path) -> Iterator[str]:
    """Run llmock, which answers with drawings as data URIs."""
    port = free_port()
    command = [environment.command("llmock"), "serve", "--host", "127.0.0.1"]
    with start_server([*command, "--port", port], folder, port, "/health", {}) as url:
        yield url


@contextmanager
def start_aimock(environment: Environment, folder: Path) -> Iterator[str]:
    """Run aimock with images as base64, as data URIs, and several in one reply."""
    node = shutil.which("node")
    if node is None:
        raise Failed("aimock is installed, but node is not")
    fixtures = folder / "fixtures"
    fixtures.mkdir(parents=True, exist_ok=True)
    (fixtures / "images.json").write_text(json.dumps({"fixtures": _image_fixtures()}))
    (folder / "aimock.json").write_text(json.dumps({"llm": {"fixtures": "./fixtures"}}))
    port = free_port()
    script = environment.folder / "node_modules" / ".bin" / "aimock"
    command = [node, script, "-c", "aimock.json", "-p", port]
    with start_server(command, folder, port, "/health", {}) as url:
        yield url


def _image_fixtures() -> list[dict[str, object]]:
    """Return one reply for each way to hand out images, by a prompt's word."""

    def data(width: int) -> str:
        return base64.b64encode(make_png(width, 64)).decode()

    replies: dict[str, object] = {
        "as base64": {"image": {"b64Json": data(64)}},
        "as a data URI": {"image": {"url": f"data:image/png;base64,{data(96)}"}},
        "as two": {"images": [{"b64Json": data(128)}, {"b64Json": data(160)}]},
    }
    return [
        {"match": {"userMessage": word, "endpoint": "image"}, "response": reply}
        for word, reply in replies.items()
    ]
