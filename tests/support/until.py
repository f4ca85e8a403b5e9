"""Waiting in tests: for a condition, never for time."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, TypeVar, overload

T = TypeVar("T")

PATIENT_S = 20.0
"""For time-outs that a test is not about: a busy machine must not fail it."""


@overload
async def until(condition: Callable[[], Awaitable[T | None]], *, timeout_s: float = ..., what: str = ...) -> T: ...
@overload
async def until(condition: Callable[[], T | None], *, timeout_s: float = ..., what: str = ...) -> T: ...
async def until(condition: Callable[[], Any], *, timeout_s: float = PATIENT_S, what: str = "") -> Any:
    """The first truthy value of `condition`, asked again every 10 ms. AssertionError when the time is over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    while True:
        value = condition()
        result = await value if isawaitable(value) else value
        if result:
            return result
        if loop.time() > end:
            raise AssertionError(f"did not happen within {timeout_s} s: {what or condition}")
        await asyncio.sleep(0.01)  # the one place that polls
