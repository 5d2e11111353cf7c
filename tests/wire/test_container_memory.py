"""The default of `memory` fits into the container that we run in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from batchgen.wire.memory import (
    DEFAULT_BYTES,
    MIN_BYTES,
    default_memory_bytes,
    limit_bytes,
)

GB = 1 << 30
V1 = "sys/fs/cgroup/memory"
V2 = "sys/fs/cgroup"
NO_LIMIT_V1 = f"{(1 << 63) - 4096}"


def machine(root: Path, groups: str, files: Mapping[str, str]) -> Path:
    """Lay out what a kernel shows of control groups."""
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")
    return root


CASES = {
    "a container of version 2": (
        "0::/",
        {f"{V2}/memory.max": f"{GB}", f"{V2}/memory.high": "max"},
        GB,
    ),
    "a service of version 2 within a slice": (
        "0::/system.slice/shop.service",
        {
            f"{V2}/system.slice/shop.service/memory.max": "max",
            f"{V2}/system.slice/shop.service/memory.high": f"{2 * GB}",
            f"{V2}/system.slice/memory.max": f"{GB}",
        },
        GB,
    ),
    "a group of version 1": (
        "5:cpu,cpuacct:/box\n4:memory:/box\n0::/",
        {
            f"{V1}/box/memory.limit_in_bytes": f"{GB}",
            f"{V1}/memory.limit_in_bytes": NO_LIMIT_V1,
        },
        GB,
    ),
    "a container of version 1, which sees its path outside": (
        "4:memory:/docker/0123abcd",
        {f"{V1}/memory.limit_in_bytes": f"{GB}"},
        GB,
    ),
    "no limit in version 1": (
        "4:memory:/",
        {f"{V1}/memory.limit_in_bytes": NO_LIMIT_V1},
        None,
    ),
    "no limit in version 2": ("0::/", {f"{V2}/memory.max": "max"}, None),
    "a path outside of our namespace": (
        "0::/../../other",
        {f"{V2}/memory.max": f"{GB}"},
        None,
    ),
    "words that nobody expects": (
        "nonsense\n:::\n0::",
        {f"{V2}/memory.max": "-"},
        None,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_lowest_limit_of_all_groups_is_found(name: str, tmp_path: Path) -> None:
    groups, files, limit = CASES[name]

    assert limit_bytes(machine(tmp_path, groups, files)) == limit


@pytest.mark.parametrize(
    ("limit", "memory"),
    [
        (8 * GB, DEFAULT_BYTES),
        (GB, DEFAULT_BYTES),
        (GB // 2, GB // 8),
        (GB // 16, MIN_BYTES),
    ],
)
def test_replies_get_a_part_of_what_a_container_may_take(
    limit: int, memory: int, tmp_path: Path
) -> None:
    root = machine(tmp_path, "0::/", {f"{V2}/memory.max": f"{limit}"})

    assert default_memory_bytes(root) == memory


def test_where_no_system_tells_of_groups_the_default_holds(tmp_path: Path) -> None:
    assert limit_bytes(tmp_path) is None
    assert default_memory_bytes(tmp_path) == DEFAULT_BYTES
