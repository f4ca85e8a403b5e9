"""The places in which jobs run."""

import asyncio

from streamer.telemetry.metrics import Metrics
from tests.support.until import until
from workers.slots import Slots


async def test_slots_are_counted_by_action() -> None:
    slots, freed, end = Slots(3, Metrics()), list[str](), asyncio.Event()
    slots.on_free = freed.append

    async def work() -> None:
        await end.wait()

    slots.take("j1", work(), "report")
    slots.take("j2", work(), "report")
    slots.take("j3", work(), "render")
    assert (slots.count("report"), slots.count("render"), slots.count("other")) == (2, 1, 0)
    assert slots.free == 0
    end.set()
    await until(lambda: slots.free == 3)
    assert sorted(freed) == ["render", "report", "report"]
    assert slots.count("report") == 0
