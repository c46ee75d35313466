"""The mark of a metered call goes where its context goes and ends with it."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor

from agentcore_metering.core.nesting import is_metered, metered


def test_mark_is_set_inside_alone() -> None:
    assert not is_metered()
    with metered():
        assert is_metered()
        with metered():
            assert is_metered()
        assert is_metered()
    assert not is_metered()


def test_mark_goes_into_threads_with_the_context() -> None:
    with metered(), ThreadPoolExecutor(1) as threads:
        assert threads.submit(contextvars.copy_context().run, is_metered).result()
        assert not threads.submit(is_metered).result()


def test_task_that_outlives_the_call_is_on_its_own() -> None:
    async def outlive() -> tuple[bool, bool]:
        seen, go_on = [], asyncio.Event()

        async def background() -> None:
            seen.append(is_metered())
            await go_on.wait()
            seen.append(is_metered())

        with metered():
            task = asyncio.ensure_future(background())
            await asyncio.sleep(0)
        go_on.set()
        await task
        return seen[0], seen[1]

    assert asyncio.run(outlive()) == (True, False)


def test_coroutine_that_is_ended_in_another_context_raises_nothing() -> None:
    async def wait() -> None:
        with metered():
            await asyncio.sleep(1)

    async def main() -> None:
        coroutine = wait()
        contextvars.copy_context().run(coroutine.send, None)
        coroutine.close()

    asyncio.run(main())
