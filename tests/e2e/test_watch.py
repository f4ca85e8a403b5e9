"""Many eyes on one job, on several nodes; an outcome that waits for its user."""

import asyncio
import functools
from contextlib import AsyncExitStack

from streamer.client import connect
from tests.support.system import System
from tests.support.until import until
from tests.support.wire import token

CHUNKS = 60


async def is_unwatched(streamer: System, job_id: str) -> bool:
    return not await streamer.store.subscriptions.list_by_request(job_id)


async def is_empty(streamer: System) -> bool:
    return not await streamer.store.inbox.list("acme", "ann", 10)


async def test_a_dozen_watchers_on_two_nodes_see_what_the_owner_sees(streamer: System) -> None:
    urls = [await (await streamer.node()).url() for _ in range(2)]
    await streamer.worker()
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(streamer.client(urls[0], "owner"))
        await owner.request("stream", {"chunks": CHUNKS, "chunk_s": 0.05, "size": 20}, "r1")
        job_id = (await owner.expect("acknowledgment"))["job_id"]
        may_watch = {"permissions": ["requests:watch"]}
        watchers = [
            await stack.enter_async_context(
                streamer.client(urls[number % 2], f"watcher {number}", user=f"u{number}", **may_watch)
            )
            for number in range(12)
        ]
        picky = await stack.enter_async_context(streamer.client(urls[1], "picky"))
        stranger = await stack.enter_async_context(streamer.client(urls[1], "stranger", user="eve"))
        await until(lambda: len(owner.seen("chunk")) > 5)
        await asyncio.gather(*(watcher.subscribe(job_id) for watcher in watchers))
        await picky.subscribe(job_id, events=["complete"])
        await stranger.subscribe(job_id)

        assert (await stranger.outcome(job_id))["error"]["code"] == "NOT_FOUND"
        for watcher in watchers:
            assert (await watcher.outcome(job_id))["chunks"] == CHUNKS
            assert [frame["index"] for frame in watcher.seen("chunk")] == list(range(CHUNKS))
        assert (await picky.outcome(job_id))["type"] == "complete"
        assert not picky.seen("chunk", "progress")
        assert (await owner.outcome("r1"))["chunks"] == CHUNKS

        late = await stack.enter_async_context(streamer.client(urls[1], "late"))
        await late.subscribe(job_id)
        assert (await late.outcome(job_id))["chunks"] == CHUNKS
        assert len(late.seen("chunk")) == CHUNKS

        await until(functools.partial(is_unwatched, streamer, job_id))
    await streamer.check()


async def test_an_outcome_waits_in_the_inbox_until_one_device_has_it(streamer: System) -> None:
    url = await (await streamer.node()).url()
    await streamer.worker()
    async with connect(url, token()) as phone:
        assert not phone.inbox
        await phone.submit("steps", {"steps": 1}, id="r1", options={"durable": True})
    async with connect(url, token()) as laptop, connect(url, token()) as phone:
        for device in (laptop, phone):
            assert [(offer.request_id, offer.status) for offer in device.inbox] == [("r1", "COMPLETED")]
        assert (await laptop.resume("r1"))["attempt"] == 1
        laptop.ack("r1")
        await until(functools.partial(is_empty, streamer))
    async with connect(url, token()) as phone:
        assert not phone.inbox
