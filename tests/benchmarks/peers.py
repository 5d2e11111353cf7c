"""Peers on the same work, at the same server, on the same core.

They are run if `BATCHGEN_PEERS` names a virtual environment that has them: `pip install
bespokelabs-curator img2dataset`. Their own traffic, telemetry and the like, is turned
off or led to a closed port. In steady state what a start takes is left out on both
sides: each runs over few and over many rows, and the difference counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.frame import (
    MEGABYTE,
    Each,
    Finding,
    Used,
    serving,
    steady,
    take_turns,
    use,
    whole,
)
from tests.benchmarks.manifests import write_manifest
from tests.benchmarks.small import run

IN_FLIGHT = 64
TEXTS = (1_000, 5_000)
IMAGES = {100_000: (200, 5_200), 1_150_000: (100, 700)}
"""Few and many, by the bytes of an image."""

NOWHERE = "http://127.0.0.1:9"
CURATOR = {
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "TELEMETRY_ENABLED": "0",
}
ALONE = {
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "http_proxy": NOWHERE,
    "https_proxy": NOWHERE,
    "no_proxy": "127.0.0.1",
}


Counts = tuple[int, int]
Goals = tuple[float | None, float | None]


class Both(NamedTuple):
    """What one row took, the start included, and without it."""

    whole: Each
    steady: Each


def measure(rounds: int) -> Iterator[Finding]:
    """Compare with each peer, if there are any."""
    folder = os.environ.get("BATCHGEN_PEERS")
    if folder is None:
        sys.stderr.write("  no peers: BATCHGEN_PEERS names no environment\n")
        return
    with serving() as address:
        yield from _texts(Path(folder), address, rounds)
        for size, counts in IMAGES.items():
            yield from _images(Path(folder), address, rounds, size, counts)


def _texts(peers: Path, address: str, rounds: int) -> Iterator[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        rows = {
            text: write_manifest(Path(folder) / f"{text}.csv", text) for text in TEXTS
        }
        inline, chat = f"{address}/inline-1000-0", f"{address}/chat-1000-0"
        turns = _take_turns(
            [
                lambda count: run("gemini", inline, rows[count]),
                lambda count: _curator(peers, chat, rows[count]),
            ],
            TEXTS,
            rounds,
        )
    peer = f"curator {_version(peers, 'bespokelabs-curator')}"
    what = f"1 KB replies, one request a row, {TEXTS[1]:,} rows"
    ours, other = turns
    yield from _compare(what, peer, ours.whole, other.whole, goals=(2.5, 0.5))
    what = "1 KB replies, one request a row, steady state"
    yield from _compare(what, peer, ours.steady, other.steady)


def _images(
    peers: Path, address: str, rounds: int, size: int, counts: Counts
) -> Iterator[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        rows = {
            count: write_manifest(Path(folder) / f"{count}.csv", count)
            for count in counts
        }
        lists = {count: Path(folder) / f"{count}.txt" for count in counts}
        for count, path in lists.items():
            links = (f"{address}/image/{index}/{size}.png" for index in range(count))
            path.write_text("\n".join(links))
        turns = _take_turns(
            [
                lambda count: run("aimlapi", f"{address}/link-{size}-0", rows[count]),
                lambda count: _img2dataset(peers, lists[count]),
            ],
            counts,
            rounds,
        )
    peer = f"img2dataset {_version(peers, 'img2dataset')}, links known"
    what = f"{size / MEGABYTE:g} MB images by link, bought and stored"
    ours, other = turns
    yield from _compare(what, peer, ours.steady, other.steady, goals=(2.0, None))


def _take_turns(
    candidates: Sequence[Callable[[int], Used]], counts: Counts, rounds: int
) -> list[Both]:
    """Let ours and the peer take turns over few and over many rows."""
    turns = take_turns(
        {
            f"{number} of {count}": partial(candidate, count)
            for count in counts
            for number, candidate in enumerate(candidates)
        },
        rounds,
    )
    few, many = counts
    return [
        Both(
            whole(turns[f"{index} of {many}"], many),
            steady(turns[f"{index} of {few}"], turns[f"{index} of {many}"], many - few),
        )
        for index in range(len(candidates))
    ]


def _compare(
    what: str, peer: str, ours: Each, other: Each, goals: Goals = (None, None)
) -> Iterator[Finding]:
    yield Finding(
        what=f"{what}: a second",
        ours=f"{1 / ours.wall_s:,.0f}",
        other=f"{peer} {1 / other.wall_s:,.0f}",
        ratio=other.wall_s / ours.wall_s,
        goal=goals[0],
        side="at least",
    )
    yield Finding(
        what=f"{what}: CPU of each",
        ours=f"{ours.cpu_s * 1e3:.2f} ms",
        other=f"{peer} {other.cpu_s * 1e3:.2f} ms",
        ratio=ours.cpu_s / other.cpu_s,
        goal=goals[1],
    )


def _curator(peers: Path, url: str, manifest: Path) -> Used:
    script = Path(__file__).with_name("peer_curator.py")
    [tokens] = peers.glob("lib/*/site-packages/litellm/litellm_core_utils/tokenizers")
    env = {**ALONE, **CURATOR, "TIKTOKEN_CACHE_DIR": str(tokens), "PYTHONPATH": ""}
    command = [_python(peers), str(script), url, str(manifest), str(IN_FLIGHT)]
    return use(command, env=env)


def _img2dataset(peers: Path, links: Path) -> Used:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(str(peers / "bin" / "img2dataset"), f"--url_list={links}"),
            *(f"--output_folder={folder}/out", "--output_format=webdataset"),
            *("--processes_count=1", f"--thread_count={IN_FLIGHT}"),
            # Without resize, yet looked at: by their width, as ours are.
            *("--resize_mode=no", "--skip_reencode=True"),
            *("--encode_format=png", "--encode_quality=9"),
            "--number_sample_per_shard=1000",
        ]
        return use(command, env={**ALONE, "PYTHONPATH": ""})


def _python(peers: Path) -> str:
    return str(peers / "bin" / "python")


def _version(peers: Path, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.check_output([_python(peers), "-c", code], text=True).strip()
