"""Threads for handlers that are plain functions: a fixed number, and nobody waits for one."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import structlog

from streamer.errors import ServiceUnavailable

T = TypeVar("T")
log = structlog.get_logger("streamer.threads")


class NoThreadFree(ServiceUnavailable):
    """All threads are taken; the call was not begun."""

    default = "No thread is free."


class Threads:
    """At most `size` calls at a time, each in a thread of its own.

    A slot is taken until its thread has ended, also when nobody waits for the result any more: a thread cannot be
    stopped, and a slot given back early would let the number of threads grow without bound.
    """

    def __init__(self, size: int) -> None:
        self._free = threading.Semaphore(size)
        self._count = threading.Lock()
        self._running = 0  # under _count; written on the loop and by the threads
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="streamer-handler")
        self._closed = False

    @property
    def running(self) -> int:
        """Calls whose thread has not ended."""
        return self._running

    async def run(self, call: Callable[[], T]) -> T:
        """The result of `call`, made in a thread with a copy of the caller's context variables.

        When this is cancelled, the thread goes on and keeps its slot. What `call` raises is raised here, except
        that SystemExit and its like become RuntimeError: a handler does not stop the process.
        Raises NoThreadFree when all slots are taken, or after `close`.
        """
        future = self._start(call)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.add_done_callback(_report_unheard)
            raise

    def close(self) -> int:
        """Takes no more calls, and says how many still run. They end by themselves: the interpreter waits for
        them at its exit, so a process that must go regardless leaves by `os._exit`."""
        self._closed = True
        self._pool.shutdown(wait=False)
        return self._running

    def join(self) -> None:
        """Takes no more calls, and blocks until those that run have ended."""
        self._closed = True
        self._pool.shutdown(wait=True)

    def _start(self, call: Callable[[], T]) -> "Future[T]":
        if self._closed or not self._free.acquire(blocking=False):
            raise NoThreadFree
        self._counted(1)
        try:
            future = self._pool.submit(contextvars.copy_context().run, _guarded, call)
        except RuntimeError as error:  # the system has no thread left
            self._give_back()
            raise ServiceUnavailable("No thread can be started.") from error
        future.add_done_callback(self._give_back)
        return future

    def _give_back(self, *_: object) -> None:
        self._counted(-1)
        self._free.release()

    def _counted(self, change: int) -> None:
        with self._count:
            self._running += change


def _guarded(call: Callable[[], T]) -> T:
    """asyncio loses a StopIteration on its way through a future (the waiter would wait for ever), and takes
    SystemExit and CancelledError for its own."""
    try:
        return call()
    except StopIteration as error:
        raise RuntimeError("the handler raised StopIteration") from error
    except Exception:
        raise
    except BaseException as error:
        raise RuntimeError(f"the handler raised {type(error).__name__}") from error


def _report_unheard(future: "Future[T]") -> None:
    error = None if future.cancelled() else future.exception()
    if error is not None:
        log.warning("abandoned_handler_failed", exc_info=error)
