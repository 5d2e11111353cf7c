"""The official SDKs against the sandbox: each in a process of its own environment."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

from batchgen.providers import PROVIDERS
from batchgen.sandbox import KEY, SandboxProcess
from tests.interop.environment import ROOT, Environment, child_environment
from tests.interop.findings import Finding

_WITHIN_S = 300.0
FAL_CLIENT = "fal-client: images by its queue"


def check_sdks(environment: Environment, shop: SandboxProcess) -> Iterator[Finding]:
    """Let each SDK buy from the sandbox."""
    openai, gemini = (PROVIDERS[name].defaults.model for name in ("openai", "gemini"))
    yield from _drive(environment, "google_client", shop, gemini)
    yield from _drive(environment, "openai_client", shop, openai)
    yield from _drive(environment, "litellm_client", shop, f"{openai},{gemini}")
    if "fal" not in PROVIDERS:
        reason = "batchgen has no provider for fal's queue, so no sandbox of one either"
        yield Finding(name=FAL_CLIENT, skipped=reason)


def _drive(
    environment: Environment, client: str, shop: SandboxProcess, model: str
) -> Iterator[Finding]:
    """Run one driver; a line that it prints is a finding, and so is its end."""
    words = [str(environment.python), "-m", f"tests.interop.clients.{client}"]
    try:
        ended = subprocess.run(
            [*words, shop.url, KEY, model],
            cwd=ROOT,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        problem = f"did not end within {_WITHIN_S:.0f} s"
        yield Finding(name=f"{client} ends", problem=problem)
        return
    lines = [line for line in ended.stdout.splitlines() if line.startswith('{"name"')]
    yield from (Finding(**json.loads(line)) for line in lines)
    problem = ended.stderr[-1000:] or "no words" if ended.returncode else ""
    yield Finding(name=f"{client} ends, {len(lines)} checks", problem=problem)
