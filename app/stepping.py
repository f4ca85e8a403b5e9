"""Running a coroutine up to where it waits, without a task of its own."""

import asyncio
import contextvars
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")

STOPPED = (Exception, asyncio.CancelledError)
"""What the code of a handler may end with; KeyboardInterrupt and SystemExit are nobody's answer."""


def start(work: Coroutine[Any, Any, None]) -> Awaitable[None] | None:
    """Runs `work` until it waits for something. None: it ended; else await what is returned, in this very task.

    The first step runs in the caller's task, so the rest has to: `asyncio.timeout` and `asyncio.current_task`
    hold on to the task in which they were entered.
    """
    try:
        awaited = work.send(None)
    except StopIteration:
        return None
    return rest(work, awaited)


@types.coroutine
def within(work: Coroutine[Any, Any, T], context: contextvars.Context) -> Generator[Any, Any, T]:
    """Awaits a coroutine, all of whose steps run in this context and in the caller's task."""
    try:
        awaited = context.run(work.send, None)
    except StopIteration as done:
        result: T = done.value
        return result
    return (yield from rest(work, awaited, context))


@types.coroutine
def rest(
    work: Coroutine[Any, Any, T], awaited: Any, context: contextvars.Context | None = None
) -> Generator[Any, Any, T]:
    """Goes on with a coroutine whose first step was taken by `send(None)`, which gave `awaited`.

    Where that step ran in a `context` of its own, so do the others.
    """
    step: Callable[[Any], Any]
    while True:
        try:
            answer = yield awaited
        except GeneratorExit:
            work.close()
            raise
        except BaseException as error:  # noqa: BLE001  # handed on to `work`, as `yield from` does
            step, argument = work.throw, error
        else:
            step, argument = work.send, answer
        try:
            awaited = step(argument) if context is None else context.run(step, argument)
        except StopIteration as done:
            result: T = done.value
            return result
