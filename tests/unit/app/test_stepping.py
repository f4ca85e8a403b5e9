import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any

import pytest

from app import stepping


async def at_once() -> None:
    return


async def two_steps(log: list[str]) -> None:
    log.append("first")
    await asyncio.sleep(0)
    log.append("second")
    await asyncio.get_running_loop().run_in_executor(None, lambda: None)
    log.append("third")


async def test_what_does_not_wait_is_done() -> None:
    assert stepping.start(at_once()) is None


async def test_what_waits_goes_on_when_awaited() -> None:
    log: list[str] = []
    rest = stepping.start(two_steps(log))
    assert log == ["first"]
    assert rest is not None
    await rest
    assert log == ["first", "second", "third"]


def first_step(work: Coroutine[Any, Any, str]) -> Any:
    return stepping.rest(work, work.send(None))


async def test_an_error_arrives_where_it_waits() -> None:
    failing: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def handles() -> str:
        try:
            await failing
        except ValueError:
            await asyncio.sleep(0)
            return "handled"
        return "not handled"

    rest = first_step(handles())
    failing.set_exception(ValueError())
    assert await rest == "handled"


async def test_a_cancel_of_the_task_arrives_where_it_waits() -> None:
    begun = asyncio.Event()

    async def forever() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            begun.clear()
        return "never"

    async def drive() -> None:
        await first_step(forever())

    task = asyncio.create_task(drive())
    await begun.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not begun.is_set()


async def test_what_nobody_goes_on_with_is_closed() -> None:
    closed: list[bool] = []

    async def waits() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            closed.append(True)
        return "never"

    rest = first_step(waits())
    rest.send(None)
    rest.close()
    assert closed == [True]


NAME: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="outside")


async def names(*, wait: bool) -> list[str]:
    found = [NAME.get()]
    if wait:
        await asyncio.sleep(0)
    NAME.set("changed")
    return [*found, NAME.get()]


@pytest.mark.parametrize("wait", [True, False])
async def test_all_steps_of_a_coroutine_run_in_a_context_of_its_own(wait: bool) -> None:
    context = contextvars.copy_context()
    context.run(NAME.set, "inside")
    assert await stepping.within(names(wait=wait), context) == ["inside", "changed"]
    assert NAME.get() == "outside"
