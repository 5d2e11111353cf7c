"""Images into the ZIP, against the bare loop that hashes them and appends to a file.

MB of image a second over whole processes, and the bytes that reach the disk for each
byte of image. Neither is kept on one core: batchgen may hash large images on the
second, beside the server. Folders lie in the working directory, on a real disk.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tests.benchmarks.frame import (
    MEGABYTE,
    Finding,
    Used,
    median,
    serving,
    take_turns,
    use,
)
from tests.benchmarks.manifests import write_manifest
from tests.benchmarks.small import KEYS

IN_FLIGHT = 64
PROVIDERS = {"link": "aimlapi", "inline": "gemini"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one run fetches; enough that its start is a small part of it."""

    kind: str
    size: int
    rows: int

    @property
    def total_mb(self) -> float:
        """All its images together."""
        return self.size * self.rows / MEGABYTE


LOADS = {
    "100 KB by link": Load(kind="link", size=100_000, rows=6_000),
    "100 KB inline": Load(kind="inline", size=100_000, rows=6_000),
    "1.5 MB by link": Load(kind="link", size=1_500_000, rows=1_000),
    "1.5 MB inline": Load(kind="inline", size=1_500_000, rows=1_000),
}


def measure(rounds: int) -> Iterator[Finding]:
    """Compare each load in turns."""
    for name, load in LOADS.items():
        taken = turns(load, rounds)
        ours, other = (
            load.total_mb / median(taken[name], lambda used: used.wall_s)
            for name in ("batchgen", "bare")
        )
        yield Finding(
            what=f"images of {name} into the ZIP, {IN_FLIGHT} in flight",
            ours=f"{ours:,.0f} MB/s",
            other=f"bare httpx loop into one file {other:,.0f} MB/s",
            ratio=ours / other,
            goal=0.8,
            side="at least",
        )
        yield from _written(name, load, taken["batchgen"])


def turns(load: Load, rounds: int) -> dict[str, list[Used]]:
    """Let batchgen and the bare loop fetch the same."""
    with offered(load) as (url, manifest):
        ours = partial(run, load, url, manifest)
        other = partial(bare, url, load.rows, manifest.with_name("images"))
        return take_turns({"batchgen": ours, "bare": other}, rounds)


@contextmanager
def offered(load: Load) -> Iterator[tuple[str, Path]]:
    """Yield the address of a server that has the images, and a manifest for them."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as place, serving() as address:
        manifest = write_manifest(Path(place) / "rows.csv", load.rows)
        yield f"{address}/{load.kind}-{load.size}-0", manifest


def _written(name: str, load: Load, runs: list[Used]) -> Iterator[Finding]:
    each = load.total_mb * MEGABYTE
    archive = median(runs, lambda used: used.document["archive_bytes"]) / each
    everything = median(runs, lambda used: used.written_bytes) / each
    yield Finding(
        what=f"bytes of the ZIP for each byte of image, {name}",
        ours=f"{archive:.4f}",
        other="1",
        ratio=archive,
        goal=1.02,
    )
    yield Finding(
        what=f"bytes written to disk for each byte of image, {name}",
        ours=f"{everything:.3f}",
        other="1",
        ratio=everything,
        goal=1.05 if load.size > MEGABYTE else None,
    )


def run(load: Load, url: str, manifest: Path, module: str = "batchgen") -> Used:
    """Run batchgen over a manifest in a folder of its own."""
    with tempfile.TemporaryDirectory(dir=manifest.parent) as place:
        folder = Path(place) / "out"
        asked = ("--provider", PROVIDERS[load.kind], "--base-url", url)
        command = (
            *(sys.executable, "-m", module, "run", str(manifest), *asked),
            *("--yes", "--quiet", "--concurrency", str(IN_FLIGHT)),
            *("--out", str(folder)),
        )
        usage = use(command, core=None, env=KEYS)
        size = (folder / "images.zip").stat().st_size
        return replace(usage, document={"archive_bytes": size})


def bare(url: str, rows: int, file: Path) -> Used:
    """Run the bare loop over as many rows."""
    command = (sys.executable, "-m", "tests.benchmarks.bare", url)
    usage = use([*command, str(rows), str(IN_FLIGHT), str(file)], core=None)
    file.unlink()
    return usage
