"""What is done together is one commit, and after a failure nothing more is written."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import TypeVar
from weakref import ref

import anyio
import pytest

from batchgen.errors import DiskFull, StorageError
from batchgen.ledger import Ledger, Reader
from batchgen.output.archive import Archive, Member, NewImage
from batchgen.storage.writer import MAX_GROUP, Writer, to_thread
from tests.output.archives import incoming

T = TypeVar("T")

pytestmark = pytest.mark.anyio


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "images.zip", 0) as opened:
        yield opened


@asynccontextmanager
async def writing(writer: Writer) -> AsyncIterator[Writer]:
    """Let the writer run while the block does, and end when all is written."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.run)
        try:
            yield writer
        finally:
            with anyio.CancelScope(shield=True):
                await writer.close()


class Gate:
    """An offload that can be held up, and counts the groups that went through."""

    def __init__(self) -> None:
        self.open = anyio.Event()
        self.open.set()
        self.passed = 0

    def shut(self) -> None:
        self.open = anyio.Event()

    async def __call__(self, work: Callable[[], T], /) -> T:
        await self.open.wait()
        self.passed += 1
        return await to_thread(work)


def remember(name: str) -> Callable[[Ledger], str]:
    def step(ledger: Ledger) -> str:
        ledger.write_meta(name, 1)
        return name

    return step


def noted(path: Path) -> set[str]:
    """Return what is on disk, read by somebody else."""
    with closing(Reader(path)) as other:
        rows = other._connection.execute("SELECT name FROM meta").fetchall()
    return {row[0] for row in rows}


async def test_a_step_is_on_disk_when_it_returns_and_brings_its_result(
    ledger: Ledger, archive: Archive
) -> None:
    async with writing(Writer(ledger, archive, to_thread)) as writer:
        assert await writer.commit(remember("first")) == "first"

        assert "first" in noted(ledger.path)


async def test_an_image_is_in_the_archive_before_the_ledger_names_it(
    ledger: Ledger, archive: Archive
) -> None:
    def step(ledger: Ledger, members: list[Member]) -> list[Member]:
        on_disk = (ledger.path.parent / "images.zip").stat().st_size
        assert on_disk > members[0].offset + members[0].size_bytes
        return members

    async with writing(Writer(ledger, archive, to_thread)) as writer:
        (first,) = await writer.store([incoming(1)], step)
        second, third = await writer.store([incoming(2), incoming(3)], step)

    assert first.offset < second.offset < third.offset
    assert archive.read(third.offset) == incoming(3).data
    assert ledger.meta.archive_end == archive.end
    assert archive.end == (ledger.path.parent / "images.zip").stat().st_size


async def test_each_step_of_a_group_gets_its_own_images_in_order(
    ledger: Ledger, archive: Archive
) -> None:
    got: dict[int, list[str]] = {}

    async def store(writer: Writer, first: int, count: int) -> None:
        images = [incoming(first + number) for number in range(count)]
        members = await writer.store(images, lambda _, members: members)
        got[first] = [member.name for member in members]

    async with (
        writing(Writer(ledger, archive, to_thread)) as writer,
        anyio.create_task_group() as tasks,
    ):
        for first, count in ((10, 2), (20, 0), (30, 1), (40, 3)):
            tasks.start_soon(store, writer, first, count)

    assert got == {
        first: [incoming(first + number).name for number in range(count)]
        for first, count in ((10, 2), (20, 0), (30, 1), (40, 3))
    }


class HangingDisk(Archive):
    """An archive that is not synced before the test lets it be."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, 0)
        self.hangs, self.goes_on = threading.Event(), threading.Event()

    def sync(self) -> None:
        self.hangs.set()
        assert self.goes_on.wait(timeout=60)
        super().sync()


async def test_a_step_does_not_wait_for_images_that_are_not_on_disk_yet(
    ledger: Ledger, tmp_path: Path
) -> None:
    with HangingDisk(tmp_path / "images.zip") as archive:
        writer = Writer(ledger, archive, to_thread)
        async with writing(writer), anyio.create_task_group() as tasks:
            tasks.start_soon(_store, writer, "image")
            await to_thread(partial(archive.hangs.wait, 60))

            with anyio.move_on_after(20):
                await writer.commit(remember("sent"))
            before = noted(ledger.path)
            archive.goes_on.set()

    assert "sent" in before
    assert not {"image", "archive_end"} & before
    assert {"image", "archive_end"} <= noted(ledger.path)


async def test_the_committed_end_never_passes_an_image_that_no_step_has_named(
    ledger: Ledger, archive: Archive
) -> None:
    ends: list[tuple[int, int]] = []

    def step(ledger: Ledger, members: list[Member]) -> None:
        ends.append((ledger.meta.archive_end, members[0].offset))

    async def store(writer: Writer, number: int) -> None:
        await writer.store([incoming(number)], step)

    async with (
        writing(Writer(ledger, archive, to_thread)) as writer,
        anyio.create_task_group() as tasks,
    ):
        for number in range(5 * MAX_GROUP):
            tasks.start_soon(store, writer, number)

    assert len(ends) == 5 * MAX_GROUP
    assert all(committed <= offset for committed, offset in ends)
    assert ledger.meta.archive_end == archive.end


async def test_steps_that_wait_together_are_one_commit(
    ledger: Ledger, archive: Archive
) -> None:
    gate = Gate()
    commits: list[str] = []
    ledger._connection.set_trace_callback(
        lambda sql: commits.append(sql) if sql == "COMMIT" else None
    )

    async def put(writer: Writer, number: int) -> None:
        await writer.commit(remember(f"n{number}"))

    async with (
        writing(Writer(ledger, archive, gate)) as writer,
        anyio.create_task_group() as tasks,
    ):
        gate.shut()
        tasks.start_soon(put, writer, 0)
        await anyio.wait_all_tasks_blocked()
        for number in range(1, 50):
            tasks.start_soon(put, writer, number)
        await anyio.wait_all_tasks_blocked()
        gate.open.set()

    assert commits == ["COMMIT", "COMMIT"]
    assert {f"n{number}" for number in range(50)} <= noted(ledger.path)


async def test_more_steps_than_a_group_holds_are_all_written_in_order(
    ledger: Ledger, archive: Archive
) -> None:
    order: list[int] = []

    async def put(writer: Writer, number: int) -> None:
        await writer.commit(lambda _: order.append(number))

    async with (
        writing(Writer(ledger, archive, to_thread)) as writer,
        anyio.create_task_group() as tasks,
    ):
        for number in range(2 * MAX_GROUP + 7):
            tasks.start_soon(put, writer, number)

    assert order == sorted(order)
    assert len(order) == 2 * MAX_GROUP + 7


# -- cancelled


async def test_a_cancelled_step_is_written_all_the_same(
    ledger: Ledger, archive: Archive
) -> None:
    gate = Gate()
    results: list[str] = []

    async def put(writer: Writer) -> None:
        results.append(await writer.commit(remember("paid")))

    async with writing(Writer(ledger, archive, gate)) as writer:
        gate.shut()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(put, writer)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
            tasks.start_soon(_open, gate)

        assert results == ["paid"]
        assert "paid" in noted(ledger.path)


async def _open(gate: Gate) -> None:
    with anyio.CancelScope(shield=True):
        await anyio.wait_all_tasks_blocked()
        gate.open.set()


async def test_cancelling_everything_writes_what_was_put_and_then_ends(
    ledger: Ledger, archive: Archive
) -> None:
    gate = Gate()

    async def put(writer: Writer, name: str) -> None:
        await writer.commit(remember(name))

    with anyio.CancelScope() as whole:
        async with (
            writing(Writer(ledger, archive, gate)) as writer,
            anyio.create_task_group() as tasks,
        ):
            gate.shut()
            for number in range(3):
                tasks.start_soon(put, writer, f"paid {number}")
            await anyio.wait_all_tasks_blocked()
            whole.cancel()
            tasks.start_soon(_open, gate)

    assert {"paid 0", "paid 1", "paid 2"} <= noted(ledger.path)


# -- failed


class LosingDisk(Archive):
    """An archive whose file turns into a pipe before it is synced: a real failure."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, 0)
        self.lost = False

    def sync(self) -> None:
        if self.lost and self.file._descriptor is not None:
            reading, writing_end = os.pipe()
            os.dup2(reading, self.file._descriptor)
            os.close(reading)
            os.close(writing_end)
        super().sync()


Put = Callable[[Writer, str], Awaitable[None]]


async def _store(writer: Writer, name: str) -> None:
    def step(ledger: Ledger, members: list[Member]) -> None:
        ledger.write_meta(name, members[0].offset)

    await writer.store([incoming(len(name))], step)


async def _commit(writer: Writer, name: str) -> None:
    await writer.commit(remember(name))


async def fail_together(writer: Writer, gate: Gate, puts: dict[str, Put]) -> list[str]:
    """Put several steps, let their group fail, and return the errors they were told."""
    errors: list[str] = []

    async def put(name: str, how: Put) -> None:
        try:
            await how(writer, name)
        except StorageError as error:
            errors.append(f"{name}: {error}")

    async def all_at_once() -> None:
        async with writing(writer), anyio.create_task_group() as tasks:
            gate.shut()
            for name, how in puts.items():
                tasks.start_soon(put, name, how)
            await anyio.wait_all_tasks_blocked()
            gate.open.set()

    with pytest.raises(BaseExceptionGroup) as caught:
        await all_at_once()
    assert caught.group_contains(StorageError)
    return sorted(errors)


async def test_a_failed_sync_tells_everybody_and_nothing_later_is_written(
    ledger: Ledger, tmp_path: Path
) -> None:
    gate = Gate()
    with LosingDisk(tmp_path / "images.zip") as archive:
        writer = Writer(ledger, archive, gate)
        async with writing(Writer(ledger, archive, to_thread)) as earlier:
            await _store(earlier, "safe")
        committed = ledger.meta.archive_end
        archive.lost = True

        errors = await fail_together(writer, gate, {"a": _store, "bb": _store})

        assert [error.partition(":")[0] for error in errors] == ["a", "bb"]
        assert all("cannot sync" in error for error in errors)
        with pytest.raises(StorageError, match="cannot sync"):
            await writer.commit(remember("later"))
    assert not {"a", "bb", "later"} & noted(ledger.path)
    assert "safe" in noted(ledger.path)
    assert ledger.meta.archive_end == committed


async def test_a_failed_commit_tells_everybody_and_nothing_later_is_written(
    ledger: Ledger, archive: Archive
) -> None:
    gate = Gate()
    writer = Writer(ledger, archive, gate)
    pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._connection.execute(f"PRAGMA max_page_count = {pages + 1}")

    async def too_much(writer: Writer, name: str) -> None:
        await writer.commit(lambda ledger: ledger.write_meta(name, b"x" * 100_000))

    puts: dict[str, Put] = {"a": _commit, "b": too_much, "stored": _store}
    errors = await fail_together(writer, gate, puts)

    assert [error.partition(":")[0] for error in errors] == ["a", "b", "stored"]
    assert all("the disk is full" in error for error in errors)
    ledger._connection.execute("PRAGMA max_page_count = 1000000")
    with pytest.raises(DiskFull):
        await writer.commit(remember("later"))
    assert not {"a", "b", "stored", "later"} & noted(ledger.path)


async def test_an_image_whose_commit_failed_is_found_by_the_next_process(
    ledger: Ledger, archive: Archive, tmp_path: Path
) -> None:
    writer = Writer(ledger, archive, to_thread)

    def crash(ledger: Ledger, members: list[Member]) -> None:
        ledger.write_meta("named", members[0].offset)
        raise StorageError("the step itself failed")

    with pytest.raises(BaseExceptionGroup):
        async with writing(writer):
            await writer.store([incoming(5)], crash)

    assert ledger.read_meta("named") is None
    assert ledger.meta.archive_end == 0
    with Archive(tmp_path / "images.zip", 0) as next_one:
        assert [member.tag.attempt_id for member in next_one.recover()] == [5]


async def test_a_fault_in_a_step_hangs_nobody(ledger: Ledger, archive: Archive) -> None:
    writer = Writer(ledger, archive, to_thread)

    def broken(ledger: Ledger) -> None:
        ledger.write_meta("half", 1)
        raise KeyError("a fault of batchgen itself")

    with pytest.raises(BaseExceptionGroup) as caught, anyio.fail_after(20):
        async with writing(writer):
            await writer.commit(broken)

    assert caught.group_contains(KeyError)
    assert "half" not in noted(ledger.path)


async def test_who_comes_at_the_moment_of_a_failure_is_told_what_failed(
    ledger: Ledger, archive: Archive
) -> None:
    async def inline(work: Callable[[], T], /) -> T:
        return work()

    writer = Writer(ledger, archive, inline)
    kinds: list[str] = []

    def too_much(ledger: Ledger) -> None:
        raise DiskFull("no room")

    async def put_later(turns: int) -> None:
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        try:
            await writer.commit(too_much)
        except (DiskFull, anyio.BrokenResourceError) as error:
            kinds.append(type(error).__name__)

    async def put_many() -> None:
        async with writing(writer), anyio.create_task_group() as tasks:
            for turns in range(20):
                tasks.start_soon(put_later, turns)

    with pytest.raises(BaseExceptionGroup):
        await put_many()

    assert set(kinds) == {"DiskFull"}


async def test_a_step_that_may_wait_lets_those_that_others_wait_for_go_first(
    ledger: Ledger, archive: Archive
) -> None:
    gate, committed = Gate(), list[str]()

    def step(name: str) -> Callable[[Ledger], None]:
        def note(_: Ledger) -> None:
            committed.append(name)

        return note

    async with (
        writing(Writer(ledger, archive, gate)) as writer,
        anyio.create_task_group() as tasks,
    ):
        gate.shut()
        tasks.start_soon(writer.commit, step("under way"))
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(partial(writer.commit, step("slice"), may_wait=True))
        await anyio.wait_all_tasks_blocked()
        for name in ("purchase", "another"):
            tasks.start_soon(writer.commit, step(name))
        await anyio.wait_all_tasks_blocked()
        gate.open.set()

    assert committed == ["under way", "purchase", "another", "slice"]
    assert gate.passed == 3, "a slice has a commit of its own"


async def test_a_step_that_may_wait_is_not_put_off_by_those_that_come_later(
    ledger: Ledger, archive: Archive
) -> None:
    committed = list[str]()

    async def purchases(writer: Writer) -> None:
        while "slice" not in committed:
            await writer.commit(lambda _: committed.append("purchase"))
            assert len(committed) < 100, "it is put off for good"

    async with (
        writing(Writer(ledger, archive, to_thread)) as writer,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(4):
            tasks.start_soon(purchases, writer)
        step: Callable[[Ledger], None] = lambda _: committed.append("slice")  # noqa: E731
        tasks.start_soon(partial(writer.commit, step, may_wait=True))


class FullDisk(Archive):
    """An archive on a disk that has no room left."""

    def append(self, images: Iterable[NewImage]) -> list[Member]:
        raise DiskFull("no room")


class Body(bytearray):
    """Bytes that can be looked for after they were dropped."""


async def test_a_full_disk_holds_no_image_of_those_that_it_turned_away(
    ledger: Ledger, tmp_path: Path
) -> None:
    bodies: list[ref[Body]] = []

    async def store(writer: Writer) -> None:
        body = Body(100)
        bodies.append(ref(body))
        with pytest.raises(DiskFull):
            await writer.store([incoming(1, bytes(body))], lambda *_: None)

    gc.disable()
    try:
        with FullDisk(tmp_path / "images.zip", 0) as archive:
            async with writing(Writer(ledger, archive, to_thread)) as writer:
                for _ in range(5):
                    await store(writer)
                held = [body() for body in bodies]
    finally:
        gc.enable()

    # Only the last is held, by the error that the next one is told.
    assert held[:-1] == [None] * 4


async def test_a_thread_holds_nothing_of_work_that_is_done() -> None:
    bodies: list[ref[Body]] = []

    def received() -> Body:
        body = Body(100)
        bodies.append(ref(body))
        return body

    async def work_on(body: Body) -> None:
        def copied() -> Body:
            copy = received()
            copy[:] = body
            return copy

        await to_thread(copied)

    gc.disable()
    try:
        await work_on(received())
        held = [body() for body in bodies]
    finally:
        gc.enable()

    assert held == [None, None]
