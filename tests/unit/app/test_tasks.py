import asyncio

from app.tasks import Tasks
from tests.support.until import until


async def dies() -> None:
    raise RuntimeError("a bug")


async def lasts() -> None:
    await asyncio.Event().wait()


async def test_a_task_that_dies_is_told() -> None:
    told: list[bool] = []
    tasks = Tasks(lambda: told.append(True))
    tasks.start(dies(), "a part")
    await until(lambda: told)
    assert tasks.died


async def test_a_stop_is_no_death() -> None:
    told: list[bool] = []
    tasks = Tasks(lambda: told.append(True))
    task = tasks.start(lasts(), "a part")
    await tasks.stop()
    assert task.cancelled()
    assert not told
    assert len(tasks) == 0
