"""A machine whose wall clock is wrong: it runs nothing until it is right again, and nobody waits for it."""

from pathlib import Path

import aiohttp
import pytest

from tests.support.metrics import metric
from tests.support.processes import Process
from tests.support.system import System
from tests.support.until import until

SKEWED = "tests.support.acme,tests.support.skewed_clock"
LEEWAY_S = 1.5
"""A `Date` has whole seconds: an offset is only known to be at least so much smaller."""


async def is_ready(process: Process) -> bool:
    where = await process.listening()
    async with aiohttp.ClientSession() as session, session.get(f"{where['endpoint']}/readyz") as answer:
        return answer.status == 200


class Skewed:
    """A worker whose clock is off by as much as the test says."""

    def __init__(self, streamer: System, folder: Path, skew_s: float) -> None:
        self.skew_s = skew_s
        self._streamer = streamer
        self._file = folder / f"skew{skew_s}"

    async def start(self) -> Process:
        self._file.write_text(str(self.skew_s))
        return await self._streamer.worker(STREAMER_ACTIONS=SKEWED, SKEW=str(self._file))

    def correct(self) -> None:
        self._file.write_text("0")

    def explains(self, offset_s: float) -> bool:
        """Whether this offset is what the worker may measure: in the same direction, and not more."""
        return abs(self.skew_s) - LEEWAY_S <= abs(offset_s) <= abs(self.skew_s) and offset_s * self.skew_s > 0


@pytest.mark.parametrize("skew_s", [5, 300])
async def test_workers_whose_clocks_are_wrong_claim_nothing_until_they_are_right(
    on_dynamodb: System, tmp_path: Path, skew_s: int
) -> None:
    url = await (await on_dynamodb.node()).url()
    skews = [Skewed(on_dynamodb, tmp_path, each) for each in (skew_s, -skew_s)]
    wrong = [await each.start() for each in skews]
    for skew, worker in zip(skews, wrong, strict=True):
        assert skew.explains((await worker.logged("clock_wrong"))["offset_s"])
        assert not await is_ready(worker)
    async with on_dynamodb.client(url) as client:
        await client.request("steps", {"steps": 1}, "delayed", options={"delay_seconds": 1})
        await client.request("steps", {"steps": 1}, "waits")
        await client.expect("acknowledgment", request_id="waits")
        right = await on_dynamodb.worker()
        for name in ("waits", "delayed"):
            assert (await client.outcome(name))["type"] == "complete"
            assert on_dynamodb.runs_of(name) == [f"1.{right.pid}"]
        right.terminate()
        await right.ended()
        await client.request("steps", {"steps": 1}, "later")
        await client.expect("acknowledgment", request_id="later")
        for skew, worker in zip(skews, wrong, strict=True):
            skew.correct()
            await worker.logged("clock_right")
        assert (await client.outcome("later"))["type"] == "complete"

    assert on_dynamodb.runs_of("later")[0] in {f"1.{worker.pid}" for worker in wrong}
    for worker in wrong:
        assert await is_ready(worker)
        assert abs(await metric(worker, "streamer_clock_offset_seconds")) <= 2
        assert len(worker.events("clock_wrong")) == 1
    await on_dynamodb.check()


async def test_two_seconds_are_nothing(on_dynamodb: System, tmp_path: Path) -> None:
    skew = tmp_path / "skew"
    skew.write_text("2")
    node = await on_dynamodb.node(STREAMER_ACTIONS=SKEWED, SKEW=str(skew))
    worker = await on_dynamodb.worker(STREAMER_ACTIONS=SKEWED, SKEW=str(skew))
    async with on_dynamodb.client(await node.url()) as client:
        await client.request("steps", {"steps": 1}, "r1")
        assert (await client.outcome("r1"))["type"] == "complete"
        skew.write_text("-6")
        for process in (node, worker):
            await process.logged("clock_wrong")
        await client.request("steps", {"steps": 1}, "r2")  # a node goes on: it says so, and no more
        await client.expect("acknowledgment", request_id="r2")
        await until(lambda: is_unready(worker))
        skew.write_text("0")
        assert (await client.outcome("r2"))["type"] == "complete"

    await on_dynamodb.check()


async def is_unready(process: Process) -> bool:
    return not await is_ready(process)
