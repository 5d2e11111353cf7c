"""What follows from a commit in memory comes after it, in the order of the steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from batchgen.errors import StorageError
from batchgen.ledger import Ledger
from batchgen.output.archive import Archive
from batchgen.storage.writer import Writer, to_thread
from tests.storage.test_writer import noted, remember, writing

pytestmark = pytest.mark.anyio


async def test_it_is_called_once_its_step_is_on_disk(
    ledger: Ledger, tmp_path: Path
) -> None:
    names = [f"name-{number}" for number in range(20)]
    called: list[str] = []

    def follow(name: str) -> None:
        assert name in noted(ledger.path)
        called.append(name)

    async def commit(writer: Writer, name: str) -> None:
        await writer.commit(remember(name), then=follow)
        assert name in called, "whoever waited goes on only after that"

    with Archive(tmp_path / "images.zip", 0) as archive:
        writer = Writer(ledger, archive, to_thread)
        async with writing(writer), anyio.create_task_group() as tasks:
            for name in names:
                tasks.start_soon(commit, writer, name)

    assert called == names


async def test_it_is_not_called_where_the_commit_fails(
    ledger: Ledger, tmp_path: Path
) -> None:
    called: list[str] = []

    async def fail(work: Callable[[], object], /) -> object:
        raise StorageError("no disk")

    async def work(writer: Writer) -> None:
        with pytest.raises(StorageError):
            await writer.commit(remember("a"), then=called.append)

    with Archive(tmp_path / "images.zip", 0) as archive:
        writer = Writer(ledger, archive, fail)  # type: ignore[arg-type]
        with pytest.RaisesGroup(StorageError, flatten_subgroups=True):
            async with writing(writer):
                await work(writer)

    assert called == []


async def test_one_that_fails_is_its_callers_fault_alone(
    ledger: Ledger, tmp_path: Path
) -> None:
    called: list[str] = []
    raised: list[str] = []

    def follow(name: str) -> None:
        called.append(name)
        if name == "name-1":
            raise KeyError(name)

    async def commit(writer: Writer, name: str) -> None:
        try:
            await writer.commit(remember(name), then=follow)
        except KeyError:
            raised.append(name)

    names = [f"name-{number}" for number in range(4)]
    with Archive(tmp_path / "images.zip", 0) as archive, anyio.fail_after(10):
        writer = Writer(ledger, archive, to_thread)
        async with writing(writer):
            async with anyio.create_task_group() as tasks:
                for name in names:
                    tasks.start_soon(commit, writer, name)
            assert await writer.commit(remember("later")) == "later"

    assert (called, raised) == (names, ["name-1"])
    assert noted(ledger.path) >= {*names, "later"}
