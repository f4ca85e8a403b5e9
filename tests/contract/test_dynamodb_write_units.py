"""What a job costs on DynamoDB, from the `ConsumedCapacity` of every call: the bill is part of the design.

A write costs one unit per started KB of the whole row; an index entry costs 1 to make, 2 to move, 1 to remove.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from streamer.jobs.model import Job, Priority, Progress
from streamer.store.base import Chunk
from streamer.store.dynamodb.store import open_dynamodb
from tests.support.bill import Bill
from tests.support.jobs import OOPS, Clock
from tests.support.store import Engine, Scene

MINIMAL = {"requests": 3, "DispatchIndex": 4, "UserIndex": 1}


@pytest.fixture
def bill(dynamodb_engine: Engine) -> Bill:
    return Bill(dynamodb_engine.table_prefix)


@pytest.fixture
async def scene(
    dynamodb_engine: Engine, bill: Bill, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    for name, value in dynamodb_engine.environment.items():
        monkeypatch.setenv(name, value)
    async with open_dynamodb(table_prefix=dynamodb_engine.table_prefix, clock=clock, on_capacity=bill.add) as store:
        scene = Scene(store, clock)
        await store.turns.next(scene.queue, scene.tenant, Priority.NORMAL)  # what is paid once per queue and process
        bill.take()
        yield scene


async def submitted(scene: Scene, **fields: Any) -> Job:
    """A job as clients submit them: 36-character id, tracing, a connection, a payload of 160 bytes."""
    usual = {
        "metadata": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        "payload": b'{"text":"%s"}' % (b"x" * 149),
        "connection": "0123456789ab.abcdefghijklmnopqrstuv",
        "max_retries": 3,
    }
    return await scene.submit("018f0000-0000-7000-8000-000000000000", **{**usual, **fields})


async def test_a_minimal_job(scene: Scene, bill: Bill) -> None:
    job = await submitted(scene)
    assert bill.take() == {"requests": 1, "DispatchIndex": 1, "UserIndex": 1}
    running = await scene.claim(job)
    assert bill.take() == {"requests": 1, "DispatchIndex": 2}
    await scene.store.requests.complete(running, b'{"url":"https://example.com/report.pdf","size":12345}', 1)
    assert bill.take() == {"requests": 1, "DispatchIndex": 1}


async def test_a_job_of_thirty_seconds_with_progress_every_two(scene: Scene, bill: Bill) -> None:
    job = await scene.claim(await submitted(scene))
    for number in range(1, 16):
        progress = Progress(number * 6.0, f"Reading page {number} of 15", {"rows": number * 1_000})
        await scene.store.requests.save_progress(job, progress, number * 20)
    await scene.store.requests.complete(job, b'{"url":"https://example.com/report.pdf"}', 301)
    units = bill.take()
    assert units == {"requests": 3 + 15, "DispatchIndex": 4, "UserIndex": 1}
    assert sum(units.values()) == 23


async def test_a_retry_costs_six_more(scene: Scene, bill: Bill) -> None:
    running = await scene.claim(await submitted(scene))
    await scene.store.requests.retry(running, OOPS, 1, scene.clock())
    await scene.store.requests.complete(await scene.claim(running), b"1", 1)
    units = bill.take()
    assert units == {**MINIMAL, "requests": 5, "DispatchIndex": 8}


async def test_a_dead_letter_stays_in_the_index(scene: Scene, bill: Bill) -> None:
    running = await scene.claim(await submitted(scene))
    await scene.store.requests.fail(running, OOPS, 1)
    assert bill.take() == {**MINIMAL, "DispatchIndex": 5}


async def test_watching_and_cancelling(scene: Scene, bill: Bill) -> None:
    job = await submitted(scene)
    bill.take()
    await scene.store.requests.attach(job.job_id, scene.tenant, scene.user, "0123456789ab.second")
    assert bill.take() == {"requests": 1}
    await scene.cancel(job)
    assert bill.take() == {"requests": 1, "DispatchIndex": 1}


async def test_a_big_payload_lies_beside_the_row(scene: Scene, bill: Bill) -> None:
    """And so costs its size once, not at every write of the row."""
    body = b'"' + bytes(number * 37 % 90 + 35 for number in range(3_000)).replace(b"\\", b"/") + b'"'
    running = await scene.claim(await submitted(scene, payload=body))
    await scene.store.requests.complete(running, b"1", 1)
    units = bill.take()
    assert units.pop("events") <= 4
    assert units == MINIMAL


async def test_a_checkpoint_and_a_hundred_chunks_in_four_batches(scene: Scene, bill: Bill) -> None:
    job = await scene.claim(await submitted(scene))
    chunks = [Chunk(index, 1, index + 1, b'{"row":%d,"name":"Ann"}' % index) for index in range(100)]
    for start in range(0, 100, 25):
        await scene.store.events.append_events(job, chunks[start : start + 25])
    await scene.store.requests.save_checkpoint(job, b'{"page":7,"cursor":"018f0000"}', 100, chunks=100)
    await scene.store.requests.complete(job, b'{"url":"https://example.com/report.pdf"}', 101, chunks=100)
    assert bill.take() == {**MINIMAL, "requests": 3 + 1, "events": 4}


async def test_a_batch_of_output_costs_its_compressed_size(scene: Scene, bill: Bill) -> None:
    job = await scene.claim(await submitted(scene))
    bill.take()
    line = b'{"row":%d,"name":"Ann","city":"Berlin","total":%d}'
    chunks = [Chunk(index, 1, index + 1, line % (index, index * 37)) for index in range(300)]
    assert sum(len(chunk.data) for chunk in chunks) > 15_000
    await scene.store.events.append_events(job, chunks)
    assert bill.take()["events"] <= 5


async def test_a_durable_job_has_an_entry_and_gives_it_back(scene: Scene, bill: Bill) -> None:
    job = await submitted(scene, durable=True)
    await scene.store.requests.complete(await scene.claim(job), b"1", 1)
    assert bill.take() == {**MINIMAL, "events": 1}
    await scene.store.inbox.remove(scene.tenant, scene.user, job.job_id)
    assert bill.take() == {"events": 1}


async def test_a_beat_costs_one(scene: Scene, bill: Bill) -> None:
    await scene.store.nodes.beat("worker", scene.queue, {"endpoint": "http://10.0.0.1:8082", "free": 100})
    assert bill.take() == {"nodes": 1}
    await scene.store.nodes.remove("worker", scene.queue)
