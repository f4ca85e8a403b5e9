"""A handler that emits as a test tells it, and what became of its output."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from streamer.context import Context
from streamer.jobs.model import Job
from tests.integration.workers.stage import Stage
from tests.support.until import until


async def logged(stage: Stage, row: Job) -> list[Any]:
    """All output that stands by this row, read as a node reads it."""
    found: list[Any] = []
    while page := await stage.store.events.read_events(row, len(found)):
        assert [chunk.index for chunk in page] == list(range(len(found), len(found) + len(page)))
        found += [orjson.loads(chunk.data) for chunk in page]
    return found


def chunks(stage: Stage, job: Job, attempt: int = 1) -> list[tuple[int, Any]]:
    """(index, data) of what was sent live."""
    sent = [frame for frame in stage.node.frames(job) if (frame["type"], frame["attempt"]) == ("chunk", attempt)]
    return [(frame["index"], frame["data"]) for frame in sent]


def metas(stage: Stage, job: Job, kind: str) -> list[Mapping[str, Any]]:
    return [each.meta for each in stage.node.delivered if (each.meta["j"], each.meta["k"]) == (job.job_id, kind)]


class Emitter:
    """Emits 0, 1, 2 … one by one, as often as it is let, and ends when told. Goes on from its checkpoint."""

    def __init__(self) -> None:
        self.started: list[int] = []  # attempts
        self.emitted = 0
        self.wanted = 0
        self.ends = asyncio.Event()
        self.fails = False  # in its first attempt

    async def __call__(self, ctx: Context) -> int:
        self.started.append(ctx.attempt)
        number = ctx.checkpoint or 0
        while not self.ends.is_set():
            if number < self.wanted:
                await ctx.emit(number)
                number = self.emitted = number + 1
            else:
                await self._more_than(number)
        if self.fails and ctx.attempt == 1:
            raise RuntimeError("half-way")
        return number

    async def _more_than(self, number: int) -> None:
        await until(lambda: self.ends.is_set() or number < self.wanted)

    async def emit(self, count: int) -> None:
        self.wanted += count
        await until(lambda: self.emitted == self.wanted)
