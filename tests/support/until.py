"""Waiting in tests: for a condition, never for time."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar

T = TypeVar("T")


async def until(condition: Callable[[], T | Awaitable[T]], *, timeout_s: float = 20.0, what: str = "") -> T:
    """The first truthy value of `condition`, asked again every 10 ms. AssertionError when the time is over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    while True:
        value = condition()
        result: T = await value if isawaitable(value) else value
        if result:
            return result
        if loop.time() > end:
            raise AssertionError(f"did not happen within {timeout_s} s: {what or condition}")
        await asyncio.sleep(0.01)  # the one place that polls
