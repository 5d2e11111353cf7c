"""The ZIP is what its contract says, read by other programs than ours."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from batchgen.errors import ArchiveDamaged, DiskFull, StorageError
from batchgen.output import diskfile
from batchgen.output.archive import Archive, NewImage, Tag
from tests.output.archives import AT, check_with_every_reader, filled, incoming

LINES = [json.dumps({"file_name": f"{number}.png"}).encode() for number in range(3)]


def test_a_finished_archive_is_a_zip_for_every_reader(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    with Archive(path, 0) as archive:
        members = archive.append(incoming(number) for number in range(5))
        archive.finish(members, LINES)

    check_with_every_reader(path)
    with zipfile.ZipFile(path) as reader:
        assert reader.namelist() == ["metadata.jsonl", *(one.name for one in members)]
        assert reader.read("metadata.jsonl") == b"\n".join(LINES) + b"\n"
        assert reader.read("cups/tasse-é-3.png") == incoming(3).data


def test_a_member_is_a_plain_file_stored_uncompressed(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    with Archive(path, 0) as archive:
        archive.finish(archive.append([incoming(1)]), [], AT)

    with zipfile.ZipFile(path) as reader:
        metadata, image = reader.infolist()
    for info in (metadata, image):
        assert info.compress_type == zipfile.ZIP_STORED
        assert info.external_attr >> 16 == 0o100644
        assert info.create_system == 3
        assert info.flag_bits == 1 << 11
        assert info.extract_version == 20
        assert info.date_time == (2026, 11, 20, 23, 58, 58)
        assert not info.extra


def test_the_same_images_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.zip", "other.zip"):
        with Archive(tmp_path / name, 0) as archive:
            archive.finish(archive.append([incoming(1)]), LINES)

    one, other = (tmp_path / name for name in ("one.zip", "other.zip"))
    assert one.read_bytes() == other.read_bytes()


def test_each_byte_of_an_image_is_written_once_and_little_else(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    data = os.urandom(100_000)
    with Archive(path, 0) as archive:
        members = archive.append([incoming(1, data), incoming(2, data)])
        archive.finish(members, [])

    assert path.read_bytes().count(data) == 2
    assert path.stat().st_size < 2 * len(data) * 1.01


def test_nothing_before_the_last_member_is_ever_written_again(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    filled(path, 3)
    before = path.read_bytes()
    with Archive(path, len(before)) as archive:
        archive.finish([], LINES)
        archive.append([incoming(4)])
        archive.finish([], [])

    assert path.read_bytes().startswith(before)


def test_an_append_after_the_directory_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    with Archive(path, 0) as archive:
        members = archive.append([incoming(1)])
        archive.finish(members, LINES * 1000)
    with Archive(path, archive.end) as archive:
        assert archive.has_directory
        members += archive.append([incoming(2)])
        assert not archive.has_directory
        archive.finish(members, LINES)

    check_with_every_reader(path)
    with zipfile.ZipFile(path) as reader:
        assert len(reader.namelist()) == 3
    assert path.stat().st_size < 2000


def test_a_shorter_directory_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    with Archive(path, 0) as archive:
        members = archive.append(incoming(number) for number in range(50))
        archive.finish(members, LINES)
        archive.finish(members[:1], [])

    check_with_every_reader(path)
    with zipfile.ZipFile(path) as reader:
        assert reader.namelist() == ["metadata.jsonl", members[0].name]


def test_members_that_are_not_listed_stay_as_dead_bytes(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    with Archive(path, 0) as archive:
        members = archive.append(incoming(number) for number in range(3))
        archive.finish(members[1:], [])
        assert archive.read(members[0].offset) == incoming(0).data

    check_with_every_reader(path)
    with zipfile.ZipFile(path) as reader:
        assert members[0].name not in reader.namelist()


def test_a_run_that_appends_nothing_touches_nothing(tmp_path: Path) -> None:
    missing, finished = tmp_path / "missing.zip", tmp_path / "finished.zip"
    with Archive(finished, 0) as archive:
        archive.finish(archive.append([incoming(1)]), LINES)
    before = finished.stat()
    for path, committed in ((missing, 0), (finished, archive.end)):
        with Archive(path, committed) as again:
            assert again.recover() == []
            assert again.append([]) == []
            again.sync()

    assert not missing.exists()
    assert finished.stat().st_mtime_ns == before.st_mtime_ns
    assert finished.stat().st_size == before.st_size


def test_an_archive_without_any_image_is_still_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    with Archive(path, 0) as archive:
        assert not archive.has_directory
        archive.finish([], [])
        assert archive.has_directory
        assert archive.end == 0

    check_with_every_reader(path)


def test_more_images_than_one_call_takes_are_all_written(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    members = filled(path, 1500)

    with Archive(path, 0) as archive:
        adopted = archive.recover()
    assert [image.member for image in adopted] == members


def test_an_image_larger_than_one_call_takes_is_written_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    pwritev = os.pwritev

    def noted(descriptor: int, buffers: list[bytes], offset: int) -> int:
        sizes.append(sum(map(len, buffers)))
        return pwritev(descriptor, buffers, offset)

    monkeypatch.setattr(os, "pwritev", noted)
    monkeypatch.setattr(diskfile, "MAX_CALL_BYTES", 70)
    monkeypatch.setattr(diskfile, "WRITTEN_AT_ONCE", 70)
    path = tmp_path / "images.zip"
    members = filled(path, 3)

    assert max(sizes) == 70
    with Archive(path, path.stat().st_size) as archive:
        assert archive.read(members[2].offset) == incoming(3).data


def test_a_time_outside_the_format_is_clamped(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    east = timezone(timedelta(hours=9))
    times = {
        datetime(1970, 1, 1, tzinfo=UTC): (1980, 1, 1, 0, 0, 0),
        datetime(2200, 1, 1, tzinfo=UTC): (2107, 12, 31, 23, 59, 58),
        datetime(2026, 1, 1, 8, 0, 1, tzinfo=east): (2025, 12, 31, 23, 0, 0),
    }
    with Archive(path, 0) as archive:
        images = [
            NewImage(name=f"{number}", data=b"x", tag=tag_of(number, at))
            for number, at in enumerate(times)
        ]
        archive.finish(archive.append(images), [])

    with zipfile.ZipFile(path) as reader:
        assert [one.date_time for one in reader.infolist()[1:]] == [*times.values()]


def tag_of(number: int, modified: datetime) -> Tag:
    return Tag(attempt_id=number, image=1, images=1, modified=modified)


def test_an_entry_that_the_archive_does_not_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    with Archive(path, 0) as archive:
        (member,) = archive.append([incoming(1)])
        with pytest.raises(ArchiveDamaged, match="ends before its image"):
            archive.finish([member._replace(offset=member.offset + 1000)], [])
        assert not archive.has_directory


def test_a_file_that_lost_committed_images_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    with pytest.raises(ArchiveDamaged, match="is missing"):
        Archive(path, 1)
    filled(path, 2)
    size = path.stat().st_size
    os.truncate(path, size - 1)

    with pytest.raises(ArchiveDamaged, match=f"only {size - 1} bytes, .* first {size}"):
        Archive(path, size)


def test_another_programs_zip_is_never_cut(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as writer:
        writer.writestr("holiday.png", b"mine")
    before = path.read_bytes()

    with pytest.raises(ArchiveDamaged, match="another program"):
        Archive(path, 0).append([incoming(1)])
    assert path.read_bytes() == before


def test_reading_where_no_image_stands_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    first, second = filled(path, 2)
    raw = bytearray(path.read_bytes())
    raw[second.offset - 1] ^= 1
    path.write_bytes(raw)

    with Archive(path, len(raw)) as archive:
        for offset in (first.offset, second.offset + 1, len(raw), len(raw) + 5):
            with pytest.raises(ArchiveDamaged, match=f"at byte {offset}"):
                archive.read(offset)
        assert archive.read(second.offset) == incoming(2).data


@pytest.mark.parametrize(
    "tag",
    [
        pytest.param(Tag(attempt_id=-1, image=1, images=1), id="negative"),
        pytest.param(Tag(attempt_id=1 << 64, image=1, images=1), id="too-large"),
    ],
)
def test_a_tag_that_does_not_fit_writes_nothing(tmp_path: Path, tag: Tag) -> None:
    path = tmp_path / "images.zip"
    with Archive(path, 0) as archive:
        with pytest.raises(struct.error):
            archive.append([incoming(1), NewImage(name="x", data=b"x", tag=tag)])
        assert not path.exists()
        assert archive.append([incoming(2)])[0].offset == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full (Linux)")
def test_a_full_disk_is_said_and_the_archive_not_used_again() -> None:
    archive = Archive(Path("/dev/full"), 0)
    with pytest.raises(DiskFull, match=r"/dev/full: No space left .* run the same"):
        archive.append([incoming(1)])

    for use in (lambda: archive.append([incoming(2)]), archive.sync, archive.recover):
        with pytest.raises(StorageError, match="not used any more"):
            use()
    archive.close()


def test_a_sync_that_failed_is_never_tried_again() -> None:
    archive = Archive(Path("/dev/null"), 0)  # takes every byte, and cannot sync
    archive.append([incoming(1)])
    with pytest.raises(StorageError, match="cannot sync /dev/null"):
        archive.sync()

    with pytest.raises(StorageError, match="not used any more"):
        archive.sync()
    archive.close()


def test_a_folder_that_cannot_be_written_is_said() -> None:
    # Not in tmp_path: its parents are closed to everybody but root.
    with TemporaryDirectory() as folder:
        path = Path(folder) / "images.zip"
        Path(folder).chmod(0o555)
        with (
            without_rights_of_root(),
            pytest.raises(StorageError, match=f"cannot open {path}: Permission denied"),
        ):
            Archive(path, 0).append([incoming(1)])


@contextmanager
def without_rights_of_root() -> Iterator[None]:
    """Be nobody for a while where we are root, for whom no folder is read-only."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
