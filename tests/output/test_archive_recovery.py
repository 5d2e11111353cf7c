"""After a kill or a power loss whole members are taken and nothing else is."""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.output.archive import Archive, Member, Tag, UncommittedMember
from batchgen.output.zipformat import local_header
from tests.output.archives import AT, check_with_every_reader, filled, incoming


def recovered(path: Path, committed: int) -> list[UncommittedMember]:
    with Archive(path, committed) as archive:
        return archive.recover()


def test_members_behind_the_last_commit_are_found_with_their_tags(
    tmp_path: Path,
) -> None:
    path = tmp_path / "images.zip"
    filled(path, 2)
    committed = path.stat().st_size
    members = filled(path, 3, first=3)

    with Archive(path, committed) as archive:
        adopted = archive.recover()

        assert [image.member for image in adopted] == members
        assert [image.tag.attempt_id for image in adopted] == [3, 4, 5]
        assert archive.end == path.stat().st_size
        assert archive.read(adopted[1].member.offset) == incoming(4).data
        assert archive.recover() == []


@pytest.mark.parametrize(
    "tag",
    [
        pytest.param(Tag(attempt_id=0, image=1, images=1), id="nothing-known"),
        pytest.param(
            Tag(attempt_id=1, image=1, images=1, cost_nano=0), id="free-is-not-unknown"
        ),
        pytest.param(
            Tag(
                attempt_id=2**63 - 1,
                image=4_000_000_000,
                images=4_000_000_000,
                cost_nano=2**63 - 1,
                modified=AT.replace(year=1969),
            ),
            id="largest",
        ),
    ],
)
def test_a_tag_comes_back_as_it_was(tmp_path: Path, tag: Tag) -> None:
    path = tmp_path / "images.zip"
    image = incoming(1)
    with Archive(path, 0) as archive:
        archive.append([type(image)(name="a.png", data=b"x", tag=tag)])

    assert [one.tag for one in recovered(path, 0)] == [tag]


def test_a_tail_torn_at_any_byte_keeps_the_whole_members_and_goes_on(
    tmp_path: Path,
) -> None:
    path = tmp_path / "images.zip"
    _, last = filled(path, 2)
    whole = path.read_bytes()
    for size in range(last.offset, len(whole)):
        path.write_bytes(whole[:size])
        with Archive(path, 0) as archive:
            adopted = archive.recover()
            assert [image.tag.attempt_id for image in adopted] == [1]
            assert path.stat().st_size == size
            archive.append([incoming(7)])

        assert [one.tag.attempt_id for one in recovered(path, 0)] == [1, 7]


def test_a_tail_dropped_to_zeros_from_any_byte_is_not_adopted(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    _, last = filled(path, 2)
    whole = path.read_bytes()
    for size in range(last.offset, len(whole)):
        path.write_bytes(whole[:size] + bytes(len(whole) - size))

        assert [one.tag.attempt_id for one in recovered(path, 0)] == [1]


def test_a_member_with_any_byte_changed_is_not_adopted(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    _, last = filled(path, 2)
    whole = path.read_bytes()
    for position in range(last.offset, len(whole)):
        torn = bytearray(whole)
        torn[position] ^= 0x20
        path.write_bytes(torn)

        assert [one.tag.attempt_id for one in recovered(path, 0)] == [1]


@given(garbage=st.binary(max_size=400), start=st.sampled_from([b"", b"PK\x03\x04"]))
@settings(max_examples=200)
def test_garbage_behind_the_members_is_neither_adopted_nor_fatal(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes, start: bytes
) -> None:
    path = tmp_path_factory.mktemp("garbage") / "images.zip"
    filled(path, 1)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(start + garbage)

    assert [one.tag.attempt_id for one in recovered(path, 0)] == [1]
    assert recovered(path, size) == []


def test_whoever_appends_without_asking_cuts_no_whole_member(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    filled(path, 2)
    with Archive(path, 0) as archive:
        archive.append([incoming(3)])

    assert [one.tag.attempt_id for one in recovered(path, 0)] == [1, 2, 3]


def test_a_finish_broken_off_at_any_byte_leaves_the_members_whole(
    tmp_path: Path,
) -> None:
    path = tmp_path / "images.zip"
    members = filled(path, 2)
    end = path.stat().st_size
    with Archive(path, end) as archive:
        archive.finish(members, [b'{"file_name": "x"}'])
    finished = path.read_bytes()
    for size in range(end, len(finished)):
        path.write_bytes(finished[:size])
        with Archive(path, 0) as archive:
            assert [one.member for one in archive.recover()] == members
            assert archive.end == end
            assert not archive.has_directory
            archive.finish(members, [b'{"file_name": "x"}'])

        assert path.read_bytes() == finished


def test_lines_that_fail_in_mid_finish_leave_an_archive_that_goes_on(
    tmp_path: Path,
) -> None:
    def lines() -> object:
        yield b"{}" * 1_000_000
        raise KeyError("the ledger broke")

    path = tmp_path / "images.zip"
    with Archive(path, 0) as archive:
        members = archive.append([incoming(1)])
        with pytest.raises(KeyError):
            archive.finish(members, lines())  # type: ignore[arg-type]  # a generator
        members += archive.append([incoming(2)])
        archive.finish(members, [])

    check_with_every_reader(path)
    assert path.stat().st_size < 2000


APPENDER = """
import os, sys
from pathlib import Path
from batchgen.output.archive import Archive, NewImage, Tag

path, committed, first = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with Archive(path, committed) as archive:
    found = archive.recover()
    for number in range(first + len(found), first + 100_000):
        tag = Tag(attempt_id=number, image=1, images=1)
        data = number.to_bytes(4, "big") * (300_000 + number % 7 * 100_000)
        archive.append([NewImage(name=f"{number}.png", data=data, tag=tag)])
        archive.sync()
        print(number, archive.end, flush=True)
"""


def appender(
    path: Path, committed: int, first: int, before: Callable[[], None] | None = None
) -> subprocess.Popen[str]:
    arguments = [str(path), str(committed), str(first)]
    return subprocess.Popen(
        [sys.executable, "-c", APPENDER, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )


def test_killed_at_random_moments_no_synced_image_is_lost_and_none_invented(
    tmp_path: Path,
) -> None:
    path = tmp_path / "images.zip"
    chance = random.Random(7)
    committed, last_id = 0, 0
    for _ in range(12):
        with appender(path, committed, last_id + 1) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(chance.randint(1, 6))]
            # Burn a random while, so that the kill falls anywhere in an append.
            sum(range(chance.randint(0, 200_000)))
            child.send_signal(signal.SIGKILL)
            lines += child.stdout.read().splitlines()
        last_said, end = map(int, lines[-1].split())
        with Archive(path, committed) as archive:
            ids = [image.tag.attempt_id for image in archive.recover()]
            assert ids == list(range(last_id + 1, last_id + 1 + len(ids)))
            assert ids[-1] >= last_said
            assert archive.end >= end
        # The ledger may have learned of some of them, and of none that is not there.
        kept = chance.choice([True, False])
        committed, last_id = (archive.end, ids[-1]) if kept else (committed, last_id)

    with Archive(path, 0) as archive:
        everything = archive.recover()
        archive.finish([image.member for image in everything], [])
    assert [image.tag.attempt_id for image in everything] == list(range(1, ids[-1] + 1))
    check_with_every_reader(path)


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))


def test_a_write_that_ends_half_way_is_said_and_leaves_what_was_whole(
    tmp_path: Path,
) -> None:
    path = tmp_path / "images.zip"
    with appender(path, 0, 1, limit_file_size) as child:
        out, error = child.communicate()

    assert f"DiskFull: cannot write {path}: it may not grow beyond the" in error
    assert path.stat().st_size == 3_000_000
    ids = [int(line.split()[0]) for line in out.splitlines()]
    assert ids
    assert [image.tag.attempt_id for image in recovered(path, 0)] == ids


def test_a_header_that_promises_more_than_the_file_has_is_not_followed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "images.zip"
    filled(path, 1)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(local_header(Member("x.png", size, 1 << 60, 0), incoming(2).tag))

    assert [one.tag.attempt_id for one in recovered(path, 0)] == [1]
