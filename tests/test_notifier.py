"""Nobody who waits for a change misses one."""

from __future__ import annotations

import anyio

from batchgen.notifier import Notifier


def test_what_changes_between_the_look_and_the_wait_ends_the_wait() -> None:
    changed = Notifier()

    async def work() -> None:
        version = changed.version
        changed.notify_all()
        with anyio.fail_after(5):
            await changed.wait(version)

    anyio.run(work)


def test_all_who_wait_are_woken_and_a_later_wait_waits_again() -> None:
    changed, woken = Notifier(), []

    async def wait(name: str) -> None:
        await changed.wait(changed.version)
        woken.append(name)

    async def work() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, "a")
            tasks.start_soon(wait, "b")
            await anyio.wait_all_tasks_blocked()
            changed.notify_all()
        with anyio.move_on_after(0.01) as scope:
            await changed.wait(changed.version)
        assert scope.cancelled_caught

    anyio.run(work)

    assert sorted(woken) == ["a", "b"]
