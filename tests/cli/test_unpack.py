"""`batchgen unpack`: loose files, only what is missing, and nobody's file replaced."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import polars as pl
import pytest

from batchgen.runner.folder import hold_folder, open_folder
from tests.cli.command import Shop, batchgen, digest
from tests.small_disk import eat, small_disk
from tests.warm import Ended

METADATA = "metadata.jsonl"


@pytest.fixture
def branded(shop: Shop) -> Shop:
    """Return a shop where four rows of three brands were bought."""
    rows = ["a,cup 1,Brio", "b,cup 2,Brio/..", 'c,cup 3,"Lego, 2"', "d,cup 4,"]
    shop.write("m.csv", "\n".join(["id,prompt,brand", *rows, ""]))
    assert shop.run("m.csv", "--yes", "--quiet").code == 0
    return shop


def unpack(shop: Shop, *options: str) -> Ended:
    return batchgen("unpack", "out/m", *options, at=shop.folder)


def files_below(folder: Path) -> dict[str, str]:
    """Return the digest of each file by its path."""
    return {
        path.relative_to(folder).as_posix(): digest(path)
        for path in folder.rglob("*")
        if path.is_file()
    }


def members(shop: Shop) -> dict[str, str]:
    """Return the digest of each image in the ZIP by its name."""
    with zipfile.ZipFile(shop.folder / "out/m/images.zip") as archive:
        return {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if name != "metadata.jsonl"
        }


def members_by_name(shop: Shop) -> list[str]:
    with zipfile.ZipFile(shop.folder / "out/m/images.zip") as archive:
        return [name for name in archive.namelist() if name != METADATA]


def test_every_image_becomes_a_file(branded: Shop) -> None:
    ended = unpack(branded)

    folder = branded.folder / "out/m/images"
    assert ended.code == 0
    assert "4 images" in ended.stdout
    assert files_below(folder) == members(branded)


def test_columns_make_folders_that_lead_nowhere_else(branded: Shop) -> None:
    assert unpack(branded, "--by", "brand,status", "--to", "photos").code == 0

    names = {path.rpartition("/")[0] for path in files_below(branded.folder / "photos")}
    assert names == {
        "Brio/succeeded",
        "Brio_/succeeded",
        "Lego, 2/succeeded",
        "no brand/succeeded",
    }


def test_a_condition_chooses_rows(branded: Shop) -> None:
    condition = "brand LIKE 'Brio%' AND cost_usd < 5 AND row >= 1"

    assert unpack(branded, "--where", condition).code == 0

    (name,) = files_below(branded.folder / "out/m/images")
    assert name.partition(".")[0] == "b"


def test_again_only_what_is_missing_is_written(branded: Shop) -> None:
    unpack(branded)
    folder = branded.folder / "out/m/images"
    first, *others = sorted(folder.iterdir())
    first.unlink()
    (folder / ".unpacking.partial").write_text("torn by a kill")
    before = {path: path.stat().st_ino for path in others}

    ended = unpack(branded, "--json")

    document = json.loads(ended.stdout)
    assert document["format"] == "batchgen.unpack/1"
    assert (document["images"], document["images_there"]) == (1, 3)
    assert files_below(folder) == members(branded)
    assert {path: path.stat().st_ino for path in others} == before


def test_a_copy_with_another_time_is_known_by_its_content(branded: Shop) -> None:
    unpack(branded)
    folder = branded.folder / "out/m/images"
    for path in folder.iterdir():
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)

    assert "4 images were there already" in unpack(branded).stdout


@pytest.mark.parametrize("kind", ["longer", "same-size", "link", "folder"])
def test_a_file_of_somebody_else_stays(branded: Shop, kind: str) -> None:
    (name, *_) = sorted(members(branded))
    folder = branded.folder / "photos"
    folder.mkdir()
    path = folder / name
    with zipfile.ZipFile(branded.folder / "out/m/images.zip") as archive:
        size = archive.getinfo(name).file_size
    if kind == "link":
        (branded.folder / "mine").write_text("mine")
        path.symlink_to(branded.folder / "mine")
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"x" * (size if kind == "same-size" else size + 1))
    before = None if kind == "folder" else path.read_bytes()

    ended = unpack(branded, "--to", "photos")

    assert ended.code == 3
    assert f"photos/{name}" in ended.stdout
    assert "--to" in ended.stdout
    assert (None if kind == "folder" else path.read_bytes()) == before
    assert len(files_below(folder)) == (3 if kind == "folder" else 4)


def test_a_link_that_a_folder_brings_along_is_not_followed(branded: Shop) -> None:
    elsewhere, folder = branded.folder / "elsewhere", branded.folder / "out/m/images"
    elsewhere.mkdir()
    folder.symlink_to(elsewhere)

    refused = unpack(branded)
    folder.unlink()
    folder.mkdir()
    (folder / "Brio").symlink_to(elsewhere)
    ended = unpack(branded, "--by", "brand")

    assert refused.code == 1
    assert "images is a symbolic link" in refused.stderr
    assert ended.code == 3
    assert "images/Brio/a.png" in ended.stdout
    assert not list(elsewhere.iterdir())


def test_a_disk_without_room_is_named_before_anything_is_written(
    branded: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", 2**20) as disk:
        eat(disk, 100)

        ended = unpack(branded, "--to", str(disk / "photos"))

        assert ended.code == 1
        assert "Nothing was written" in ended.stderr
        assert "--to" in ended.stderr
        assert not files_below(disk / "photos")


def test_images_are_unpacked_while_a_run_works(branded: Shop) -> None:
    with open_folder(branded.folder / "out/m", None, None):
        ended = unpack(branded)

    assert ended.code == 0
    assert "run this again for the images to come" in ended.stdout
    assert files_below(branded.folder / "out/m/images") == members(branded)


def test_two_commands_do_not_write_into_one_folder(branded: Shop) -> None:
    (branded.folder / "photos").mkdir()
    with hold_folder(branded.folder / "photos"):
        ended = unpack(branded, "--to", "photos")

    assert ended.code == 1
    assert "another batchgen works on" in ended.stderr


def test_a_damaged_image_is_named_and_not_written(branded: Shop) -> None:
    archive = branded.folder / "out/m/images.zip"
    with zipfile.ZipFile(archive) as opened:
        info = next(info for info in opened.infolist() if info.filename != METADATA)
    data = bytearray(archive.read_bytes())
    data[info.header_offset + 400] ^= 1
    archive.write_bytes(data)

    ended = unpack(branded)

    assert ended.code == 3
    assert f"{info.filename}: its bytes have changed" in ended.stdout
    names = [*files_below(branded.folder / "out/m/images")]
    assert sorted([*names, info.filename]) == sorted(members_by_name(branded))


def test_a_name_that_leads_out_is_not_followed(branded: Shop) -> None:
    path = branded.folder / "out/m/results.parquet"
    rows = pl.read_parquet(path)
    name = pl.element().struct.with_fields(name=pl.lit("../../out.png"))
    rows.with_columns(pl.col("files").list.eval(name)).write_parquet(path)

    ended = unpack(branded)

    assert ended.code == 3
    assert "its name leads out of the folder" in ended.stdout
    assert not (branded.folder / "out" / "out.png").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--by", "brnad"), ["no column `brnad`", "did you mean", "brand"]),
        (("--where", "brnad = 'x'"), ["no column `brnad`"]),
        (("--where", "brand = "), ["is no condition", "Write SQL such as"]),
        (("--where", "row"), ["is no condition", "Write SQL such as"]),
        (("--where", "brand > 5"), ["is no condition"]),
    ],
)
def test_what_does_not_fit_the_table_is_said(
    branded: Shop, options: tuple[str, ...], words: list[str]
) -> None:
    ended = unpack(branded, *options)

    assert ended.code == 2
    for word in words:
        assert word in ended.stderr
    assert not [*(branded.folder / "out/m").glob("images/*")]


@pytest.mark.parametrize("command", ["unpack", "contact"])
def test_a_damaged_table_is_named(branded: Shop, command: str) -> None:
    path = branded.folder / "out/m/results.parquet"
    path.write_bytes(path.read_bytes()[:-20])

    ended = batchgen(command, "out/m", at=branded.folder)

    assert ended.code == 1
    assert "results.parquet cannot be read" in ended.stderr


def test_a_folder_without_a_run_is_refused(shop: Shop) -> None:
    (shop.folder / "out" / "m").mkdir(parents=True)

    ended = unpack(shop)

    assert ended.code in (1, 2)
    assert "holds no run" in ended.stderr
