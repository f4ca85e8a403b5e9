"""Many calls at once, of which none goes on when the whole is over."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

A = TypeVar("A")
T = TypeVar("T")

_WIDTH: Final = 16


async def each(action: Callable[[A], Awaitable[T]], arguments: Iterable[A], *, width: int = _WIDTH) -> list[T]:
    """Runs `action` on all of them, at most `width` at once, and gives the results in their order.

    The first error ends the others and is raised as it is.
    """
    room = asyncio.Semaphore(width)

    async def run(argument: A) -> T:
        async with room:
            return await action(argument)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run(argument), name="one of many") for argument in arguments]
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from several
    return [task.result() for task in tasks]
