"""Where the SDKs, gateways and mock servers are installed: never in our environment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "BATCHGEN_INTEROP"
# Name of a package, and what pip is asked for. fakeai needs Pillow and does not say so.
PACKAGES: Mapping[str, str] = {
    "google-genai": "google-genai",
    "openai": "openai",
    "litellm": "litellm[proxy]>=1.108",
    "fastapi": "litellm[proxy]>=1.108",
    "fal-client": "fal-client",
    "fakeai": "fakeai",
    "pillow": "pillow",
    "llmock": "llmock",
}
_AIMOCK = Path("node_modules") / "@copilotkit" / "aimock" / "package.json"
_LIST_VERSIONS = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({d.name.lower().replace('_', '-'): d.version"
    " for d in m.distributions()}))"
)
ROOT = Path(__file__).parents[2]


class Unusable(Exception):
    """The environment cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A virtual environment that has all that is needed.

    Attributes:
        versions: By package.
        aimock: Version of the mock server from npm; None where it is not installed.
    """

    folder: Path
    versions: Mapping[str, str]
    aimock: str | None

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def command(self, name: str) -> Path:
        """Return a command that one of its packages installed."""
        return self.folder / "bin" / name

    def describe(self) -> str:
        """Say in one line what is set against batchgen."""
        names = [name for name in PACKAGES if name != "fastapi"]
        versions = [f"{name} {self.versions[name]}" for name in names]
        return ", ".join([*versions, f"aimock {self.aimock or '(not installed)'}"])


def find_environment() -> Environment:
    """Return the environment that the variable names.

    Raises:
        Unusable: There is none, or packages are missing in it.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        raise Unusable(
            f"{VARIABLE} names no virtual environment with the SDKs and servers. "
            f"To make one:\n{_how_to_install('VENV', set(PACKAGES))}\n"
            f"    {VARIABLE}=VENV python -m tests.interop"
        )
    folder = Path(path).absolute()
    python = folder / "bin" / "python"
    if not python.exists():
        raise Unusable(f"{VARIABLE}={path} is no virtual environment")
    versions = _installed(python)
    if missing := PACKAGES.keys() - versions:
        names = ", ".join(sorted(missing))
        how = _how_to_install(path, missing)
        raise Unusable(f"missing in {path}: {names}. To install:\n{how}")
    manifest = folder / _AIMOCK
    aimock = json.loads(manifest.read_text())["version"] if manifest.exists() else None
    return Environment(folder=folder, versions=versions, aimock=aimock)


def child_environment(**more: str) -> dict[str, str]:
    """Return what a child gets: no key, no proxy, nothing that calls home."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith("_API_KEY")
        and not name.lower().endswith("_proxy")
        and not name.startswith(("OPENAI_", "GEMINI_", "GOOGLE_", "LITELLM_", "FAL_"))
    }
    return {
        **inherited,
        "BATCHGEN_LOOPBACK_ONLY": "1",
        "PYTHONPATH": str(ROOT),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY": "False",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        **more,
    }


def _installed(python: Path) -> dict[str, str]:
    done = subprocess.run(
        [python, "-c", _LIST_VERSIONS], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Unusable(f"{python} does not run: {done.stderr.strip()}")
    versions: dict[str, str] = json.loads(done.stdout)
    return versions


def _how_to_install(folder: str, missing: set[str]) -> str:
    packages = " ".join(sorted({f"'{PACKAGES[name]}'" for name in missing}))
    lines = [f"    {folder}/bin/python -m pip install {packages}"]
    if missing == set(PACKAGES):
        lines.insert(0, f"    python3 -m venv {folder}")
        lines.append(
            f"    npm install --prefix {folder} @copilotkit/aimock  # optional"
        )
    return "\n".join(lines)
