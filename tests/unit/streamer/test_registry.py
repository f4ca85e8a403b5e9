"""Registry: actions found, wrapped and run."""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from streamer.context import Context
from streamer.definitions import define
from streamer.errors import ConfigurationError, InvalidAction, ServiceUnavailable
from streamer.handlers import AsyncRun
from streamer.registry import Registry
from tests.support.until import until


def context() -> Context:
    return Context("r", "u", "t", "a")


async def double(_: Context, request: int) -> int:
    return request * 2


def thread_name() -> str:
    return threading.current_thread().name


DOUBLE = define("double", double, module="acme.one")


def test_actions_are_found_by_name() -> None:
    registry = Registry([DOUBLE], threads=1)
    assert registry.get("double") is DOUBLE
    assert "double" in registry
    assert "triple" not in registry
    assert list(registry.names()) == ["double"]
    with pytest.raises(InvalidAction):
        registry.get("triple")


def test_a_name_is_taken_once() -> None:
    twin = define("double", double, module="acme.two")
    with pytest.raises(ConfigurationError, match=r"double is declared twice, in acme\.one and in acme\.two"):
        Registry([DOUBLE, twin], threads=1)


async def test_an_async_handler_is_its_own_coroutine() -> None:
    coroutine = Registry([DOUBLE], threads=1).invoke(DOUBLE, context(), 2)
    assert inspect.iscoroutine(coroutine)
    assert coroutine.cr_code is double.__code__
    assert await coroutine == 4


async def test_a_def_handler_runs_in_a_thread_of_ours() -> None:
    action = define("where", thread_name)
    registry = Registry([action], threads=1)
    assert (await registry.invoke(action, context(), None)).startswith("streamer-handler")
    assert registry.close() == 0


async def test_a_def_handler_sees_that_it_was_cancelled_and_keeps_its_thread() -> None:
    seen: list[bool] = []
    entered, go_on = threading.Event(), threading.Event()

    def look(ctx: Context) -> None:
        entered.set()
        assert go_on.wait(30)
        seen.append(ctx.cancelled)

    action = define("look", look)
    registry = Registry([action], threads=1)
    ctx = context()
    task = asyncio.create_task(registry.invoke(action, ctx, None), name="look")
    await until(entered.is_set)
    assert not ctx.cancelled
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ServiceUnavailable):
        await registry.invoke(action, context(), None)
    assert registry.close() == 1
    go_on.set()
    await until(lambda: seen)
    assert seen == [True]


async def test_middleware_wraps_both_kinds_the_first_outermost() -> None:
    heard: list[str] = []

    async def outer(ctx: Context, request: Any, call_next: AsyncRun) -> Any:
        heard.append("outer")
        return [await call_next(ctx, request + 1)]

    async def inner(ctx: Context, request: Any, call_next: AsyncRun) -> Any:
        heard.append("inner")
        return await call_next(ctx, request)

    def triple(_: Context, request: int) -> int:
        return request * 3

    thrice = define("triple", triple)
    registry = Registry([DOUBLE, thrice], threads=1, middleware=[outer, inner])
    assert await registry.invoke(DOUBLE, context(), 1) == [4]
    assert await registry.invoke(thrice, context(), 1) == [6]
    assert heard == ["outer", "inner"] * 2
    registry.close()


async def test_a_life_has_state_and_ends() -> None:
    told: list[str] = []

    @asynccontextmanager
    async def resources() -> AsyncIterator[str]:
        told.append("open")
        yield "pool"
        told.append("closed")

    action = define("where", thread_name)
    registry = Registry([action], threads=1, lifespan=resources)
    states = [registry.state]
    async with registry.running() as running:
        assert running is registry
        states.append(registry.state)
    states.append(registry.state)
    assert states == [None, "pool", None]
    assert told == ["open", "closed"]
    with pytest.raises(ServiceUnavailable):
        await registry.invoke(action, context(), None)


async def test_without_a_lifespan_there_is_no_state() -> None:
    async with Registry([], threads=1).running() as registry:
        assert registry.state is None
