"""A handler while it runs, and how it is asked to end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from streamer.context import Context
from streamer.errors import TimedOut
from streamer.testing.record import Run

STUBBORN_S: Final = 5.0
"""How long a handler that was asked to end may take; a worker waits as long."""


class Handling:
    """Runs one handler. `noted` is called after everything that it told; it never blocks."""

    def __init__(self, record: Run, cancel_after: Callable[[Run], object] | None) -> None:
        self._record = record
        self._cancel_after = cancel_after
        self._is_cancelled = False  # written by `noted`, on the loop or in a thread
        self._loop = asyncio.get_running_loop()
        self._asked: asyncio.Future[None] = self._loop.create_future()  # done once the handler is asked to end
        self._context: Context  # these two are there before the handler starts
        self._task: asyncio.Task[Any]

    def noted(self) -> None:
        if self._cancel_after is None or self._is_cancelled or not self._cancel_after(self._record):
            return
        self._is_cancelled = self._context.cancelled = True  # at once: what it tells next raises CancelledError
        self._loop.call_soon_threadsafe(self._interrupt)

    async def run(
        self,
        context: Context,
        handler: Callable[[], Awaitable[Any]],
        join: Callable[[], None],
        timeout_s: float | None,
    ) -> Any:
        """What the handler returned, whatever was asked of it meanwhile; else notes that it was cancelled, or raises
        what it raised, TimedOut, or TimeoutError where it does not end. `join` blocks while its thread runs."""
        self._context = context
        self._task = asyncio.create_task(_contained(handler), name=f"handler {context.request_id}")
        try:
            await asyncio.wait([self._task, self._asked], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            overran = not self._task.done() and not self._is_cancelled
            if overran or self._is_cancelled:
                await self._ended(join)
            return self._outcome(overran=overran)
        finally:
            self._task.cancel()  # where it has not ended, or whoever waits for the run goes away first

    def _interrupt(self) -> None:
        """Asks the handler to end, once."""
        if not self._asked.done():
            self._asked.set_result(None)
            self._context.cancelled = True
            self._task.cancel()

    async def _ended(self, join: Callable[[], None]) -> None:
        self._interrupt()
        try:
            async with asyncio.timeout(STUBBORN_S):
                await asyncio.wait([self._task])
                await asyncio.to_thread(join)
        except TimeoutError as error:
            raise TimeoutError(f"The handler goes on {STUBBORN_S:g} s after it was asked to stop.") from error

    def _outcome(self, *, overran: bool) -> Any:
        error = asyncio.CancelledError() if self._task.cancelled() else self._task.exception()
        if error is None:
            return self._task.result()
        if self._is_cancelled:
            self._record.cancelled = True
            return None
        if overran:
            raise TimedOut from error
        if self._task.cancelled():  # as itself, it would seem to be the test that was cancelled
            raise RuntimeError("the handler raised CancelledError") from error
        raise error


async def _contained(handler: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await handler()
    except (SystemExit, KeyboardInterrupt) as error:  # a handler does not stop the process
        raise RuntimeError(f"the handler raised {type(error).__name__}") from error
