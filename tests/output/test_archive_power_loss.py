"""Replay the writes of a run with anything that was not synced lost or torn."""

from __future__ import annotations

import os
import random
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from batchgen.output.archive import Archive
from tests.output.archives import incoming

SECTOR_BYTES = 512


@dataclass
class Disk:
    """What reached the disk for good, and what is still on its way there."""

    safe: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    losses: list[bytes] = field(default_factory=list)
    chance: random.Random = field(default_factory=random.Random)

    def write(self, offset: int, data: bytes) -> None:
        self.pending.append((offset, data))

    def cut(self, size: int) -> None:
        self.pending.append((size, None))

    def sync(self) -> None:
        """Note what a power loss just before would leave, then keep all."""
        self.losses += [self.after_power_loss() for _ in range(4)]
        for step in self.pending:
            self.safe = apply(self.safe, *step)
        self.pending.clear()

    def after_power_loss(self) -> bytes:
        """Return one of the states that a power loss may leave."""
        chance = self.chance
        left = bytearray(self.safe)
        for offset, data in self.pending:
            fate = chance.choice(["whole", "lost", "torn"])
            if fate == "whole" or (fate == "torn" and data is None):
                left = apply(left, offset, data)
            elif fate == "torn" and data is not None:
                for start in range(0, len(data), SECTOR_BYTES):
                    if chance.random() < 0.7:
                        sector = data[start : start + SECTOR_BYTES]
                        left = apply(left, offset + start, sector)
        return bytes(left)


def apply(state: bytearray, offset: int, data: bytes | None) -> bytearray:
    longer = state + bytes(max(0, offset + len(data or b"") - len(state)))
    if data is None:
        return longer[:offset]
    longer[offset : offset + len(data)] = data
    return longer


@contextmanager
def noting(disk: Disk) -> Iterator[None]:
    """Note each write, cut and sync while it is really done."""
    pwritev, ftruncate, fdatasync = os.pwritev, os.ftruncate, os.fdatasync

    def note_write(descriptor: int, buffers: Iterable[bytes], offset: int) -> int:
        pieces = list(buffers)
        written = pwritev(descriptor, pieces, offset)
        disk.write(offset, b"".join(pieces)[:written])
        return written

    def note_cut(descriptor: int, size: int) -> None:
        ftruncate(descriptor, size)
        disk.cut(size)

    def note_sync(descriptor: int) -> None:
        fdatasync(descriptor)
        disk.sync()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pwritev", note_write)
        patch.setattr(os, "ftruncate", note_cut)
        patch.setattr(os, "fdatasync", note_sync)
        yield


def image_of(number: int) -> bytes:
    return random.Random(number).randbytes(200 + number * 397 % 2500)


def live(archive: Archive, chance: random.Random, first: int) -> int:
    """Let a run do one of the things that runs do; return the next image."""
    match chance.choice(["append", "append", "sync", "finish"]):
        case "append":
            count = chance.randint(1, 4)
            archive.append(
                incoming(number, image_of(number))
                for number in range(first, first + count)
            )
            return first + count
        case "sync":
            archive.sync()
        case _:
            archive.sync()
            archive.finish([], [b'{"file_name": "x"}' * chance.randint(1, 200)])
    return first


@pytest.mark.parametrize("seed", range(30))
def test_a_power_loss_takes_nothing_synced_and_invents_nothing(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    disk = Disk(chance=chance)
    cases: list[tuple[bytes, int, int]] = []
    committed, safe, first = 0, 0, 1
    with Archive(tmp_path / "images.zip", 0) as archive, noting(disk):
        for _ in range(12):
            first = live(archive, chance, first)
            losses = [*disk.losses, disk.after_power_loss()]
            disk.losses.clear()
            cases += [(state, committed, safe) for state in losses]
            if not disk.pending:
                # The ledger commits what is synced, if it gets that far.
                safe = archive.end
                committed = safe if chance.random() < 0.7 else committed

    for state, committed, kept in cases:
        (tmp_path / "replay.zip").write_bytes(state)
        check_after_power_loss(tmp_path / "replay.zip", committed, kept)


def check_after_power_loss(path: Path, committed: int, safe: int) -> None:
    with Archive(path, committed) as archive:
        adopted = archive.recover()
        assert archive.end >= safe
        for image in adopted:
            assert archive.read(image.member.offset) == image_of(image.tag.attempt_id)
        finished = archive.has_directory
    if finished:
        with zipfile.ZipFile(path) as reader:
            assert reader.testzip() is None
