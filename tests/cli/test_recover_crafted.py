"""`recover` in a folder that was in other hands: one message, or a sound ledger."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from batchgen.output.diskfile import DiskFile
from batchgen.output.tag import Tag
from batchgen.output.walk import header_at
from batchgen.output.zipformat import Member, local_header
from batchgen.runner.logfile import log_to
from batchgen.runner.recover.run_log import read_events
from tests.cli.command import KEY, Shop, batchgen
from tests.cli.recovering import lose_ledger

Craft = Callable[[Path], object]
STAMP = "2026-11-30T10:00:00.000Z info    "
SENT = "sent attempt=9 provider=aimlapi"


def log(*events: str) -> Craft:
    def craft(folder: Path) -> None:
        with (folder / "run.log").open("a", encoding="utf-8") as file:
            file.writelines(f"{STAMP}{event}\n" for event in events)

    return craft


def change(path: Path, column: str, value: object) -> None:
    rows = pl.read_parquet(path)
    changed = pl.lit(value, dtype=rows.schema[column]).alias(column)
    rows.with_columns(changed).write_parquet(path)


def in_purchases(column: str, value: object) -> Craft:
    return lambda folder: change(folder / "attempts.parquet", column, value)


def in_results(column: str, value: object) -> Craft:
    def craft(folder: Path) -> None:
        for name in ("attempts.parquet", "images.zip", "run.log"):
            (folder / name).unlink()
        change(folder / "results.parquet", column, value)

    return craft


def instead(name: str, make: Craft) -> Craft:
    def craft(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return craft


def tagged(changes: Mapping[str, int], **member: int) -> Craft:
    """Give the first image another tag, whose checksum fits."""

    def craft(folder: Path) -> None:
        path = folder / "images.zip"
        header = header_at(DiskFile(path), 0)
        assert header is not None
        assert header.tag is not None
        values = {"attempt_id": 1, "image": 1, "images": 1} | dict(changes)
        tag = Tag(**values, modified=header.tag.modified)
        size = member.get("size_bytes", header.size_bytes)
        new = Member(header.name, 0, size, header.crc32, header.tag.modified)
        data = path.read_bytes()
        path.write_bytes(local_header(new, tag) + data[header.length :])

    return craft


def of_many_rows(path: Path) -> None:
    rows = pl.read_parquet(path)
    pl.concat([rows.head(1)] * 300_000).write_parquet(path)


CRAFTS: dict[str, Craft] = {
    "log-span": log(f"{SENT} first={10**30} images=1"),
    "log-images": log(f"{SENT} first=1 images={10**30}"),
    "log-number": log(f"sent attempt={10**18 - 1} provider=aimlapi"),
    "log-cost": log(f"{SENT} images=1 ceiling_nano={10**18 - 1}"),
    "log-half-a-character": log(
        rf"{SENT} image='\ud800'",
        r"attempt_ended attempt=9 charge=none state=failed words='\ud800'",
    ),
    "log-before-1970": lambda folder: (folder / "run.log").write_text(
        f"0001-01-01T00:00:00Z info    {SENT}\n"
    ),
    "log-long-word": log("sent " + "a" * 300_000),
    "log-long-quote": log("sent " + r"a='\ " * 100_000),
    "log-pipe": instead("run.log", os.mkfifo),
    "log-link": instead("run.log", lambda path: path.symlink_to("/dev/zero")),
    "zip-pipe": instead("images.zip", os.mkfifo),
    "zip-link": instead("images.zip", lambda path: path.symlink_to("/dev/zero")),
    "table-pipe": instead("attempts.parquet", os.mkfifo),
    "tag-number": tagged({"attempt_id": 2**63 - 1}),
    "tag-number-beyond": tagged({"attempt_id": 2**64 - 1}),
    "tag-image": tagged({"image": 2**32 - 1}),
    "tag-cost": tagged({"attempt_id": 77, "cost_nano": 2**63 - 1}),
    "tag-cost-beyond": tagged({"attempt_id": 77, "cost_nano": 2**64 - 1}),
    "member-size": tagged({}, size_bytes=2**62),
    "purchases-many": lambda folder: of_many_rows(folder / "attempts.parquet"),
    "purchases-number": in_purchases("attempt_id", 2**63 - 1),
    "purchases-first-image": in_purchases("first_image", 2**31 - 1),
    "purchases-cost": in_purchases("cost_usd", -5),
    "purchases-sent": in_purchases("sent_at", datetime(1900, 1, 1, tzinfo=UTC)),
    "results-cost": in_results("cost_usd", -5),
    "results-at-risk": in_results("at_risk_attempts", 2**31 - 1),
}


@pytest.mark.parametrize("craft", CRAFTS.values(), ids=CRAFTS)
def test_a_crafted_folder_gives_a_sound_ledger_or_one_message(
    finished_shop: Shop, craft: Craft
) -> None:
    folder = finished_shop.folder / "out/m"
    lose_ledger(folder)
    craft(folder)

    ended = batchgen(
        "recover", "m.csv", *finished_shop.options, at=finished_shop.folder
    )

    assert "fault of batchgen" not in ended.stderr
    if ended.code:
        assert "out/m" in ended.message
        assert not [*folder.glob("run.db*")]
        return
    carried_on = finished_shop.run("m.csv", "--yes", "--quiet")
    assert carried_on.code in (0, 2, 3), carried_on
    assert "fault of batchgen" not in carried_on.stderr


@pytest.mark.parametrize("task", ["'odd", '"', "'whole'", "a b", "plain", "\\"])
def test_a_task_is_read_as_it_was_logged(task: str, tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    with log_to(path, redact=str, notify=pytest.fail) as logger:
        logger.info("sent", extra={"attempt": 1, "provider": "foxapi"})
        logger.info("accepted", extra={"attempt": 1, "task": task})

    assert read_events(path).attempts[1].task_id == task


@pytest.mark.parametrize("request_id", ["7c-1", "https://a.example/tasks/7"])
def test_the_id_on_the_bill_is_read_though_the_task_has_another_handle(
    request_id: str, tmp_path: Path
) -> None:
    path, handle = tmp_path / "run.log", "https://a.example/tasks/7"
    with log_to(path, redact=str, notify=pytest.fail) as logger:
        logger.info("sent", extra={"attempt": 1, "provider": "fal"})
        extra = {"attempt": 1, "task": handle}
        if request_id != handle:
            extra["request"] = request_id
        logger.info("accepted", extra=extra)

    attempt = read_events(path).attempts[1]
    assert (attempt.task_id, attempt.request_id) == (handle, request_id)


def test_a_run_waits_for_a_recovery_that_was_cut_short(finished_shop: Shop) -> None:
    folder = finished_shop.folder / "out/m"
    (folder / "run.db").rename(folder / "run.db.recovering")
    for name in ("images.zip", "attempts.parquet", "results.parquet"):
        (folder / name).unlink()
    sent = finished_shop.sent

    refused = batchgen(
        *("run", "m.csv", *finished_shop.options, "--yes"),
        at=finished_shop.folder,
        key=KEY,
    )

    assert refused.code == 1
    assert "batchgen recover" in refused.message
    assert finished_shop.sent == sent
