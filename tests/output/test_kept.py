"""What is kept comes back as it was, without a key, and nothing else is read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from batchgen.errors import DiskFull, StorageError
from batchgen.model import Blob, Json, Reply
from batchgen.output.kept_files import LONG_TEXT, KeptFiles, KeptReply

SVG = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
BODY: Json = {
    "data": [{"file_ref": "é\ud800", "b64_json": Blob(b"\x00\xffbytes")}],
    "long": "ä" * (LONG_TEXT + 1),
    "cost": Decimal("0.12345678901234567890"),
    "more": [1, True, None, "", [], {}],
}
HEADERS = {"content-type": "application/json", "set-cookie": "session=1"}


def plain(content: bytes | str) -> Iterator[bytes]:
    is_text = isinstance(content, str)
    yield content.encode("utf-8", "surrogatepass") if is_text else content  # type: ignore[misc,union-attr]


@pytest.fixture
def kept_files(tmp_path: Path) -> KeptFiles:
    return KeptFiles(tmp_path, plain)


def content(folder: Path) -> set[str]:
    return {path.name for path in (folder / "kept").iterdir()}


def test_a_reply_comes_back_as_it_came(kept_files: KeptFiles, tmp_path: Path) -> None:
    reply = Reply(200, HEADERS, BODY)

    assert kept_files.keep_reply(12, "acme", "poll", reply) == "kept/12.json"

    headers = {"content-type": "application/json"}
    again = kept_files.read_reply(12)
    assert again == KeptReply("acme", "poll", Reply(200, headers, BODY))
    assert content(tmp_path) == {"12.json", "12-body-1.bin", "12-body-2.txt"}
    document = json.loads((tmp_path / "kept/12.json").read_bytes())
    assert document["status"] == 200
    assert kept_files.replies() == [12]
    assert kept_files.name_of(12) == "kept/12.json"
    assert kept_files.images_of(12) == {}


def test_the_bytes_of_what_was_read_as_text_come_back_too(
    kept_files: KeptFiles,
) -> None:
    reply = Reply(200, {}, "a text", whole=Blob(b"a text\xff\0"))

    kept_files.keep_reply(12, "acme", "purchase", reply)

    assert kept_files.read_reply(12) == KeptReply("acme", "purchase", reply)


@pytest.mark.parametrize(
    ("data", "extension"),
    [
        (SVG, "svg"),
        (b"<?xml version='1.0'?>\n<!-- drawn -->\n<svg/>", "svg"),
        (b"<!doctype html><p>soon</p>", "html"),
        (b"\x89PNG\r\n\x1a\ncut", "png"),
        (b"II*\0", "tiff"),
        (b"soon", "txt"),
        ("ä".encode() * 5000, "txt"),
        (b"\x00\x01", "bin"),
        (b"", "bin"),
    ],
)
def test_an_image_is_named_so_that_a_person_can_open_it(
    kept_files: KeptFiles, tmp_path: Path, data: bytes, extension: str
) -> None:
    name = kept_files.keep_image(12, 3, data)

    assert name == f"kept/12-3.{extension}"
    assert kept_files.images_of(12) == {3: f"12-3.{extension}"}
    assert (tmp_path / name).read_bytes() == data
    assert kept_files.name_of(12) == name
    assert kept_files.name_of(1) is None


def test_what_is_written_went_through_the_mask_piece_by_piece(tmp_path: Path) -> None:
    def mask(content: bytes | str) -> Iterator[bytes]:
        for piece in plain(content):
            yield piece.replace(b"secret", b"******")

    body: Json = {"a": "secret", "b": "secret" * LONG_TEXT, "c": Blob(b"a secret")}
    KeptFiles(tmp_path, mask).keep_reply(1, "acme", "purchase", Reply(200, {}, body))

    files = [path.read_bytes() for path in (tmp_path / "kept").iterdir()]
    assert len(files) == 3
    assert not [data for data in files if b"secret" in data]


def test_without_room_nothing_is_kept_and_nothing_is_left(
    kept_files: KeptFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 20))

    with pytest.raises(DiskFull):
        kept_files.keep_image(1, 1, SVG)
    with pytest.raises(DiskFull):
        kept_files.keep_reply(1, "acme", "purchase", Reply(200, HEADERS, BODY))

    assert content(tmp_path) == set()


def test_a_file_where_the_folder_belongs_is_told(
    kept_files: KeptFiles, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("")

    with pytest.raises(StorageError):
        kept_files.keep_image(1, 1, SVG)
    assert kept_files.replies() == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        "{}",
        '{"batchgen": 2}',
        '{"batchgen": 1, "provider": "a", "source": "x", "status": 1}',
        '{"batchgen": 1, "provider": "a", "source": "poll", "status": 200, '
        '"headers": {}, "body": {"batchgen:file": 9, "is_text": false}}',
    ],
)
def test_a_file_that_somebody_wrote_is_passed_over(
    kept_files: KeptFiles, tmp_path: Path, text: str
) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/1.json").write_text(text)

    assert kept_files.read_reply(1) is None


def test_neither_a_link_nor_a_pipe_nor_a_path_is_followed(
    kept_files: KeptFiles, tmp_path: Path
) -> None:
    kept_files.keep_reply(1, "acme", "poll", Reply(200, {}, {"a": Blob(b"x")}))
    outside = tmp_path / "outside"
    outside.write_bytes(b"secret")
    body = tmp_path / "kept/1-body-1.bin"
    body.unlink()
    body.symlink_to(outside)
    os.mkfifo(tmp_path / "kept/2.json")
    (tmp_path / "kept/..%2fx.json").write_text("{}")

    assert kept_files.read_reply(1) is None
    assert kept_files.read_reply(2) is None
    assert kept_files.replies() == [1, 2]


def test_a_body_that_says_what_batchgen_says_is_a_body(kept_files: KeptFiles) -> None:
    body: Json = {"batchgen:file": 1, "is_text": "maybe", "x": 1}
    kept_files.keep_reply(1, "acme", "poll", Reply(200, {}, body))

    again = kept_files.read_reply(1)

    assert again is not None
    assert again.reply.body == body
