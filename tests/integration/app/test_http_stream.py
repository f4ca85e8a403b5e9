"""Following a request by Server-Sent Events, and coming back after a cut."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from app.rest import stream
from app.watch import PERMISSION
from streamer.errors import StoreUnavailable
from streamer.jobs.model import Failure, Job, Progress
from streamer.protocol import frames
from streamer.protocol.frames import Place
from streamer.store.base import Chunk, now_ms
from tests.integration.app.house import House, house, outcome, token
from tests.integration.app.http_caller import Events, call, get, post, streaming
from tests.integration.app.test_http_submit import is_empty
from tests.integration.app.test_jobs import job_id
from tests.support.until import until

OOPS = Failure("PROCESSING_FAILED", "The action failed.")


async def running(node: House, name: str = "r1") -> Job:
    answer = await post(node, {"action": "queued", "id": name})
    return await node.claimed(answer.body["job_id"])


async def heard(node: House) -> Job:
    """The row, as soon as a stream listens to it."""

    async def listens() -> Job | None:
        row = await node.row("r1")
        here = {each.connection_id for each in node.node.hub}
        return row if row.routes & here else None

    found = await until(listens)
    assert found is not None
    return found


async def chunk(node: House, index: int) -> None:
    """A worker stores a chunk and sends it to whoever listens here."""
    job = await node.row("r1")
    data = b"%d" % index
    await node.store.events.append_events(job, [Chunk(index, job.attempt, index + 2, data)])
    place = Place("r1", job.job_id, job.attempt, index + 2)
    await node.deliver(job, "chunk", index + 2, frames.chunk(place, index, data, 0.0), h=index)


async def completed(node: House, chunks: int) -> Job:
    job = await node.row("r1")
    return await node.requests.complete(job, b'"done"', chunks + 5, chunks=chunks)


async def told(node: House, job: Job) -> None:
    body = outcome(job)
    await node.deliver(job, "outcome", job.seq, body, h=job.chunks)


def data(read: Events) -> list[Any]:
    return [event.frame["data"] for event in read.seen if event.kind == "chunk"]


async def test_a_stream_has_all_and_ends_with_the_outcome(node: House) -> None:
    await running(node)
    await chunk(node, 0)
    async with streaming(node, "r1") as read:
        assert read.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert read.answer.headers["cache-control"] == "no-store"
        await read.until("chunk")
        await heard(node)
        await chunk(node, 1)
        await read.until("chunk")
        await told(node, await completed(node, 2))
        events = await read.all()
    assert [event.kind for event in events] == ["chunk", "chunk", "progress", "complete"]
    assert [event.id for event in events] == ["1.2.1", "1.3.2", "1.6.2", "1.7.2"]
    assert {event.frame["request_id"] for event in events} == {"r1"}
    assert [block.partition(":")[0] for block in read.other] == ["retry"]
    await until(lambda: is_empty(node))


async def test_a_reader_who_has_the_outcome_is_told_not_to_come_again(node: House) -> None:
    await node.completed((await post(node, {"action": "queued", "id": "r1"})).body["job_id"])
    async with streaming(node, "r1") as read:
        assert [event.kind for event in await read.all()] == ["progress", "complete"]
    ids = [event.id for event in read.seen]
    again = await get(node, "/r1/events", last_event_id=ids[-1])
    assert (again.status, again.body) == (204, None)
    assert (await get(node, "/r1/events", last_event_id="9.0.0")).status == 204
    async with streaming(node, "r1", last=ids[0]) as read:
        assert [event.kind for event in await read.all()][-1] == "complete"


async def test_what_never_ran_ends_too(node: House) -> None:
    await post(node, {"action": "queued", "id": "r1"})
    await call(node, "DELETE", "/v1/requests/r1")
    for last in (None, "", "0.0.0"):
        async with streaming(node, "r1", last=last) as read:
            assert [event.frame["error"]["code"] for event in await read.all()] == ["CANCELLED"]
    assert (await get(node, "/r1/events", last_event_id=read.last_id)).status == 204


@pytest.mark.parametrize("seed", range(4))
async def test_a_stream_that_is_cut_anywhere_goes_on_at_any_node(node: House, second: House, seed: int) -> None:
    chance = random.Random(seed)
    total = 12
    await running(node)
    got: list[Any] = []
    last: str | None = None
    made = 0
    while len(got) < total:
        at = chance.choice([node, second])
        async with streaming(at, "r1", last=last) as read:
            await heard(at)
            for _ in range(chance.randint(0, 3)):
                if made < total:
                    await chunk(at, made)
                    made += 1
            for _ in range(chance.randint(0, made - len(got))):
                await read.until("chunk")
        got += data(read)
        last = read.last_id if read.seen else last
    await completed(node, total)
    async with streaming(second, "r1", last=last) as read:
        events = await read.all()
    assert got == list(range(total))
    assert [event.kind for event in events] == ["progress", "complete"]
    assert read.last_id.endswith(f".{total}")


async def test_a_retry_voids_chunks_and_its_id_says_so(node: House) -> None:
    job = await running(node)
    await chunk(node, 0)
    await chunk(node, 1)
    async with streaming(node, "r1") as read:
        for _ in range(2):
            await read.until("chunk")
        job = await node.requests.save_checkpoint(await node.row("r1"), b"1", 4, chunks=1)
    await node.requests.retry(job, OOPS, 5, now_ms() - 1, chunks=2)
    async with streaming(node, "r1", last=read.last_id) as again:
        event = await again.until("retrying")
    assert (event.frame["continues_from"], event.id.split(".")[2]) == (1, "1")
    async with streaming(node, "r1", last=event.id):
        await node.claimed(job.job_id)
        await heard(node)
        await told(node, await completed(node, 1))
    await until(lambda: is_empty(node))


async def test_an_id_that_no_event_had_is_refused(node: House) -> None:
    await running(node)
    for last in ("x", "1.2", "1.2.3.4", "-1.2.3", "1.2.99999999999999999", "9999999999999999.1.1"):
        answer = await get(node, "/r1/events", last_event_id=last)
        assert (answer.status, answer.code) == (400, "INVALID_MESSAGE"), last


async def test_somebody_who_may_watch_follows_by_the_job_id(node: House) -> None:
    job = await running(node)
    await chunk(node, 0)
    watcher = token("carl", permissions=(PERMISSION,))
    async with streaming(node, job.job_id, bearer=watcher) as read:
        await read.until("chunk")
        await until(lambda: node.store.subscriptions.list_by_request(job.job_id))
    assert read.seen[0].frame["request_id"] == job.job_id

    async def is_gone() -> bool:
        return not await node.store.subscriptions.list_by_request(job.job_id)

    await until(is_gone)
    await completed(node, 1)
    async with streaming(node, job.job_id, bearer=watcher, last=read.last_id) as read:
        assert [event.kind for event in await read.all()] == ["progress", "complete"]


async def test_ones_own_request_is_followed_by_its_job_id_too(node: House) -> None:
    job = await node.completed((await post(node, {"action": "queued", "id": "r1"})).body["job_id"])
    async with streaming(node, job.job_id) as read:
        assert {event.frame["request_id"] for event in await read.all()} == {"r1"}


async def test_a_stream_that_is_cut_leaves_nothing(node: House) -> None:
    await running(node)
    async with streaming(node, "r1") as read:
        await heard(node)
        assert len(node.node.hub) == 1
        assert "streamer_http_streams 1.0" in node.node.metrics.exposition().decode()
        assert read.seen == []
    await until(lambda: is_empty(node))
    assert "streamer_http_streams 0.0" in node.node.metrics.exposition().decode()


async def test_a_stream_has_a_seat(tmp_path: Path) -> None:
    async with house(tmp_path, max_connections_per_user=1) as node:
        await running(node)
        async with streaming(node, "r1"):
            answer = await get(node, "/r1/events")
            assert (answer.status, answer.code) == (503, "SERVICE_UNAVAILABLE")


async def test_a_node_that_leaves_ends_its_streams(node: House, second: House) -> None:
    await running(node)
    async with streaming(node, "r1") as read:
        await heard(node)
        node.server.stop()
        assert await read.all() == []
    async with streaming(second, "r1") as read:
        await heard(second)
        await told(second, await completed(second, 0))
        assert [event.kind for event in await read.all()] == ["progress", "complete"]


async def test_a_token_that_expires_ends_the_stream(node: House) -> None:
    await running(node)
    async with streaming(node, "r1", bearer=token(expires_in_s=2)) as read:
        assert await read.all() == []
    await until(lambda: is_empty(node))


async def test_a_quiet_stream_is_kept_alive(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE_S", 0.01)
    await running(node)
    async with streaming(node, "r1") as read:
        assert (await read._block() or "").startswith("retry: ")
        assert await read._block() == ":"
        await heard(node)
        await told(node, await completed(node, 0))
        await read.until("complete")


async def test_a_store_that_is_away_refuses_the_stream(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> None:
        raise StoreUnavailable

    await running(node)
    monkeypatch.setattr(node.node.listeners, "attach", away)
    answer = await get(node, "/r1/events")
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "STORAGE_ERROR", "1")
    await until(lambda: is_empty(node))


async def test_a_stream_that_has_not_begun_is_refused_where_the_node_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = asyncio.Event()

    async def late(*_: Any) -> None:
        await goes_on.wait()
        raise StoreUnavailable

    async with house(tmp_path, drain_s=0.1) as node:
        await running(node)
        monkeypatch.setattr(node.node.listeners, "attach", late)
        asked = asyncio.create_task(get(node, "/r1/events"))
        await until(lambda: len(node.node.hub))
        node.server.stop()
        answer = await asked
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "SERVICE_UNAVAILABLE", "5")
        goes_on.set()


async def test_a_reader_who_is_too_slow_is_cut_and_comes_back(node: House) -> None:
    job = await running(node)
    text = b'"' + b"x" * 60_000 + b'"'
    total = 0
    async with streaming(node, "r1") as read:
        await heard(node)
        slow = node.node.metrics.slow_readers
        while not slow._value.get():
            assert total < 2_000
            chunks = [Chunk(total, 1, total + 2, text)]
            await node.store.events.append_events(job, chunks)
            row = await node.row("r1")
            body = frames.chunk(Place("r1", job.job_id, 1, total + 2), total, text, 0.0)
            await node.deliver(row, "chunk", total + 2, body, h=total)
            total += 1
        await until(lambda: is_empty(node))
        before = [event.frame["index"] for event in await read.all()]
    await completed(node, total)
    async with streaming(node, "r1", last=read.last_id) as again:
        after = [event.frame["index"] for event in await again.all() if event.kind == "chunk"]
    assert 0 < len(before) < total
    assert before + after == list(range(total))


async def test_progress_is_a_percentage_and_a_message(node: House) -> None:
    job = await running(node)
    await node.requests.save_progress(job, Progress(20.0, "a fifth"), 3)
    async with streaming(node, job_id("r1")) as read:
        event = await read.until("progress")
    assert (event.id, event.frame["percentage"], event.frame["message"]) == ("1.3.0", 20.0, "a fifth")
