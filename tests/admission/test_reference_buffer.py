"""Images that wait to leave take bounded memory; shared ones count once."""

from __future__ import annotations

import anyio
import pytest

from batchgen.admission.next_step import Part
from batchgen.admission.reference_buffer import ReferenceBuffer
from batchgen.model import Attachment, Inline, Link

pytestmark = pytest.mark.anyio


def image(size: int) -> Attachment:
    return Attachment("a.png", "image/png", bytes(size))


def part(row_id: int) -> Part:
    return Part(row_id, 1, 1)


async def fits(
    buffer: ReferenceBuffer, number: int, *images: Attachment | Inline | Link
) -> bool:
    """Say whether a part finds room without anybody making it."""
    with anyio.move_on_after(0):
        await buffer.put(part(number), images)
        return True
    return False


async def test_a_part_waits_until_another_made_room() -> None:
    buffer = ReferenceBuffer(max_bytes=10)
    await buffer.put(part(1), [image(6)])
    order: list[int] = []

    async def put_second() -> None:
        await buffer.put(part(2), [image(6)])
        order.append(2)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(put_second)
        await anyio.wait_all_tasks_blocked()
        assert order == []
        with buffer.take(part(1)) as payloads:
            assert len(payloads) == 1
            await anyio.wait_all_tasks_blocked()
            assert order == []  # its request is still being written
    assert order == [2]


async def test_one_that_is_larger_than_the_buffer_goes_alone() -> None:
    buffer = ReferenceBuffer(max_bytes=10)

    assert await fits(buffer, 1, image(50))
    assert not await fits(buffer, 2, image(1))

    buffer.drop(part(1))
    assert await fits(buffer, 2, image(1))


async def test_an_image_that_many_rows_share_counts_once() -> None:
    buffer = ReferenceBuffer(max_bytes=10)
    logo = Inline("image/png", b"x" * 8)

    for number in range(1000):
        assert await fits(buffer, number, logo, logo)
    assert not await fits(buffer, 1000, image(3))

    for number in range(999):
        buffer.drop(part(number))
    assert not await fits(buffer, 1000, image(3))
    buffer.drop(part(999))
    assert await fits(buffer, 1000, image(3))


async def test_links_take_no_room() -> None:
    buffer = ReferenceBuffer(max_bytes=10)
    await buffer.put(part(1), [image(10)])

    assert await fits(buffer, 2, Link("https://a.example/b.png"))
    assert await fits(buffer, 3)
    with buffer.take(part(2)) as payloads:
        assert payloads == (Link("https://a.example/b.png"),)


async def test_what_was_taken_is_gone() -> None:
    buffer = ReferenceBuffer()
    await buffer.put(part(1), [image(1)])

    with buffer.take(part(1)) as payloads:
        assert len(payloads) == 1
    with buffer.take(part(1)) as payloads:
        assert payloads == ()
