"""The three limits of the old ZIP format, crossed one by one and together."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from batchgen.output.archive import Archive, Member
from batchgen.output.diskfile import DiskFile
from batchgen.output.zipformat import (
    central_header,
    end_records,
    local_header,
    parse_local,
)
from tests.output.archives import check_with_every_reader, filled, incoming

FOUR_GIB = 1 << 32
BLOCK_BYTES = 4096
NOTHING = bytes(BLOCK_BYTES)


def test_members_beyond_four_gib_are_read_by_every_reader(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    members = filled(path, 1)
    os.truncate(path, FOUR_GIB + 4096)
    members += filled(path, 2, first=2)
    with Archive(path, path.stat().st_size) as archive:
        archive.finish(members, [b"{}"])

    check_with_every_reader(path)
    with zipfile.ZipFile(path) as reader:
        infos = reader.infolist()
        assert reader.read(members[2].name) == incoming(3).data
    # Only who stands beyond needs the new version, and only its offset is wide.
    assert [len(info.extra) for info in infos] == [12, 0, 12, 12]
    assert [info.extract_version for info in infos] == [45, 20, 45, 45]


@pytest.mark.parametrize("start", [FOUR_GIB - 1, FOUR_GIB - 2])
def test_the_last_offset_that_fits_is_not_made_wide(tmp_path: Path, start: int) -> None:
    path = tmp_path / "images.zip"
    filled(path, 1)
    os.truncate(path, start)
    members = filled(path, 1, first=2)
    with Archive(path, path.stat().st_size) as archive:
        archive.finish(members, [])

    check_with_every_reader(path)
    with zipfile.ZipFile(path) as reader:
        assert bool(reader.infolist()[1].extra) == (start == FOUR_GIB - 1)


@pytest.mark.parametrize("count", [65_533, 65_534])
def test_the_last_count_that_fits_has_the_old_record_alone(
    tmp_path: Path, count: int
) -> None:
    path = tmp_path / "images.zip"
    (one,) = filled(path, 1)
    with Archive(path, path.stat().st_size) as archive:
        archive.finish((one._replace(name=f"{n}") for n in range(count)), [])

    with zipfile.ZipFile(path) as reader:
        assert len(reader.namelist()) == count + 1
    assert (b"PK\x06\x06" in path.read_bytes()[-200:]) == (count == 65_534)


def test_seventy_thousand_members_are_found_and_read(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    members = filled(path, 70_000)
    with Archive(path, 0) as archive:
        assert len(archive.recover()) == 70_000
        archive.finish(members, [])

    with zipfile.ZipFile(path) as reader:
        assert len(reader.namelist()) == 70_001
        assert reader.read(members[-1].name) == incoming(70_000).data
    if unzip := shutil.which("unzip"):
        subprocess.run([unzip, "-tqq", str(path)], check=True, capture_output=True)


def test_a_directory_of_four_gib_is_found_by_the_wide_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "images.zip"
    (one,) = filled(path, 1)
    start = path.stat().st_size
    # Names of nothing but holes: the file has 4 GiB, and few of them on the disk.
    count, padding = 66_600, "\0" * 64_500
    monkeypatch.setattr(DiskFile, "write_at", write_without_holes)
    with Archive(path, start) as archive:
        named = (one._replace(name=f"{n:06}{padding}") for n in range(count))
        archive.finish(named, [b"{}"])

    with path.open("rb") as file:
        file.seek(-98, os.SEEK_END)
        records = file.read()
        listed, size, offset = struct.unpack_from("<QQQ", records, 32)
        assert (records[:4], records[76:80]) == (b"PK\x06\x06", b"PK\x05\x06")
        assert struct.unpack_from("<HHII", records, 84) == (
            *(0xFFFF, 0xFFFF),
            *(0xFFFFFFFF, offset),
        )
        assert size > FOUR_GIB
        assert offset + size + 98 == path.stat().st_size
        assert listed == count + 1
        entries = list(walk_directory(file.fileno(), offset, offset + size))
    assert len(entries) == count + 1
    assert entries[0] == (b"metadata", start)
    assert entries[-1] == (b"066599\0\0", one.offset)


def write_without_holes(file: DiskFile, buffers: Iterable[bytes], offset: int) -> None:
    """Write as ever, but leave out whole blocks of zeros."""
    (data,) = buffers
    descriptor = file._opened()
    file._dirty = True
    for at in range(0, len(data), BLOCK_BYTES):
        block = data[at : at + BLOCK_BYTES]
        if block != NOTHING[: len(block)]:
            os.pwrite(descriptor, block, offset + at)
    end = offset + len(data)
    if file.size_bytes() < end:
        os.ftruncate(descriptor, end)


def walk_directory(
    descriptor: int, offset: int, end: int
) -> Iterator[tuple[bytes, int]]:
    """Yield the first letters of each entry's name, and where its member stands."""
    while offset < end:
        header = os.pread(descriptor, 54, offset)
        assert header[:4] == b"PK\x01\x02"
        name, extra, comment = struct.unpack_from("<HHH", header, 28)
        yield header[46:54], struct.unpack_from("<I", header, 42)[0]
        offset += 46 + name + extra + comment
    assert offset == end


def test_a_member_of_four_gib_is_listed_with_its_size(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    big = Member("big.png", 0, FOUR_GIB + 7, 0)
    header = local_header(big, incoming(1).tag)
    path.write_bytes(header)
    os.truncate(path, len(header) + big.size_bytes)
    with Archive(path, path.stat().st_size) as archive:
        members = [big, *archive.append([incoming(2)])]
        archive.finish(members, [])

    with zipfile.ZipFile(path) as reader, reader.open("big.png") as image:
        assert reader.getinfo("big.png").file_size == big.size_bytes
        assert reader.read(members[1].name) == incoming(2).data
        assert image.read(3) == bytes(3)


@pytest.mark.parametrize("size", [FOUR_GIB - 2, FOUR_GIB - 1, FOUR_GIB, 1 << 40])
def test_a_local_header_tells_any_size(size: int) -> None:
    header = local_header(Member("é.png", 0, size, 5), incoming(9).tag)

    parsed = parse_local(header)
    assert parsed is not None
    assert (parsed.size_bytes, parsed.crc32, parsed.name) == (size, 5, "é.png")
    assert parsed.tag == incoming(9).tag
    assert struct.unpack_from("<H", header, 4)[0] == (20 if size < 0xFFFFFFFF else 45)


@pytest.mark.parametrize(
    ("size", "offset", "wide"),
    [
        pytest.param(5, 7, [], id="none"),
        pytest.param(FOUR_GIB, 7, [FOUR_GIB, FOUR_GIB], id="size"),
        pytest.param(5, FOUR_GIB, [FOUR_GIB], id="offset"),
        pytest.param(
            FOUR_GIB, FOUR_GIB + 1, [FOUR_GIB, FOUR_GIB, FOUR_GIB + 1], id="both"
        ),
    ],
)
def test_an_entry_is_wide_only_where_it_must_be(
    size: int, offset: int, wide: list[int]
) -> None:
    header = central_header(Member("x", offset, size, 0))

    extra = header[46 + 1 :]
    assert list(struct.unpack(f"<{len(wide)}Q", extra[4:])) == wide
    assert struct.unpack_from("<H", header, 6)[0] == (45 if wide else 20)


@pytest.mark.parametrize(
    ("count", "size", "offset"),
    [
        pytest.param(65_535, 10, 10, id="count"),
        pytest.param(10, FOUR_GIB - 1, 10, id="directory-size"),
        pytest.param(10, 10, FOUR_GIB - 1, id="offset"),
        pytest.param(10**8, 1 << 33, 1 << 40, id="all"),
    ],
)
def test_a_directory_beyond_any_limit_is_told_by_the_wide_record(
    count: int, size: int, offset: int
) -> None:
    records = end_records(count, size, offset)

    assert struct.unpack_from("<4sQ", records) == (b"PK\x06\x06", 44)
    assert struct.unpack_from("<QQQQ", records, 24) == (count, count, size, offset)
    assert struct.unpack_from("<4sIQI", records, 56) == (
        b"PK\x06\x07",
        0,
        offset + size,
        1,
    )
    assert struct.unpack_from("<HHII", records, 76 + 8) == (
        min(count, 0xFFFF),
        min(count, 0xFFFF),
        min(size, 0xFFFFFFFF),
        min(offset, 0xFFFFFFFF),
    )
    assert len(records) == 56 + 20 + 22


def test_a_directory_within_the_limits_has_the_old_record_alone() -> None:
    assert len(end_records(65_534, FOUR_GIB - 2, FOUR_GIB - 2)) == 22
