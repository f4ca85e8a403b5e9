import asyncio

import pytest

from streamer.errors import StoreUnavailable
from streamer.store.fan_out import each


async def test_each_keeps_the_order_and_the_width() -> None:
    inside: set[int] = set()
    widest: list[int] = []
    gate = asyncio.Event()

    async def visit(number: int) -> int:
        inside.add(number)
        widest.append(len(inside))
        if len(inside) == 3:
            gate.set()
        await gate.wait()
        inside.remove(number)
        return number * 2

    assert await each(visit, range(10), width=3) == [number * 2 for number in range(10)]
    assert max(widest) == 3


async def test_the_first_error_ends_the_others_and_comes_as_it_is() -> None:
    ended: set[int] = set()

    async def visit(number: int) -> None:
        if number == 1:
            raise StoreUnavailable
        try:
            await asyncio.Event().wait()
        finally:
            ended.add(number)

    with pytest.raises(StoreUnavailable):
        await each(visit, range(3))
    assert ended == {0, 2}


async def test_a_cancelled_caller_ends_them_all() -> None:
    began = asyncio.Event()

    async def visit(_number: int) -> None:
        began.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(each(visit, range(3)), name="each")
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
