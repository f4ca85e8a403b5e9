import asyncio

import pytest

from app import chore
from app.chore import Chore
from streamer.errors import StoreUnavailable
from tests.support.until import until


class Work:
    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None
        self.failures: list[str] = []

    async def do(self) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error

    def failed(self, error: StoreUnavailable) -> None:
        self.failures.append(str(error))


async def test_it_works_whenever_there_is_something_to_do() -> None:
    work = Work()
    it = Chore(work.do, work.failed)
    task = asyncio.create_task(it.run(), name="chore")
    it.due()
    await until(lambda: work.calls == 1)
    it.due()
    await until(lambda: work.calls == 2)
    task.cancel()
    await asyncio.wait([task])
    assert not work.failures


async def test_it_tries_again_until_the_store_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chore, "FIRST_BACK_OFF_S", 0.0)
    work = Work()
    work.error = StoreUnavailable("away")
    it = Chore(work.do, work.failed)
    it.due()
    task = asyncio.create_task(it.run(), name="chore")
    await until(lambda: len(work.failures) >= 3)
    work.error = None
    calls = work.calls
    await until(lambda: work.calls > calls)
    task.cancel()
    await asyncio.wait([task])
    assert set(work.failures) == {"away"}


async def test_a_fault_is_not_swallowed() -> None:
    work = Work()
    work.error = RuntimeError("a bug")
    it = Chore(work.do, work.failed)
    it.due()
    with pytest.raises(RuntimeError):
        await it.run()
