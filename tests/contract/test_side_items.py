"""What is too big for the row lies beside it, named by content or attempt, and is never replaced under a reader."""

import pytest

from streamer.errors import Fenced, NotFound, ResultTooLarge
from streamer.jobs.model import Aside
from streamer.store.queue import MAX_BODY_BYTES, PART_BYTES
from tests.support.jobs import DAY_MS, noise
from tests.support.store import Scene


async def test_small_bodies_stay_on_the_row(scene: Scene) -> None:
    running = await scene.running(payload=b'{"n":1}')
    done = await scene.store.requests.complete(running, b'{"url":"x"}', 1)
    assert (done.payload, done.result) == (b'{"n":1}', b'{"url":"x"}')
    assert await scene.store.requests.load(done, done.payload) == b'{"n":1}'


@pytest.mark.parametrize("size", [10_000, 100_000, MAX_BODY_BYTES - 10])
async def test_a_big_payload(scene: Scene, size: int) -> None:
    payload = noise(size)
    job = await scene.submit(payload=payload)
    assert isinstance(job.payload, Aside)
    assert await scene.row(job) == job
    assert await scene.store.requests.load(job, job.payload) == payload


async def test_a_big_result(scene: Scene) -> None:
    result = noise(900_000)
    done = await scene.store.requests.complete(await scene.running(), result, 1)
    assert isinstance(done.result, Aside)
    assert done.result.parts * PART_BYTES > 350_000
    assert await scene.row(done) == done
    assert await scene.store.requests.load(done, done.result) == result


@pytest.mark.parametrize("over", [1, 500_000])
async def test_a_result_over_a_mebibyte_is_refused(scene: Scene, over: int) -> None:
    running = await scene.running()
    with pytest.raises(ResultTooLarge):
        await scene.store.requests.complete(running, b"0" * (MAX_BODY_BYTES + over), 1)
    assert await scene.row(running) == running


async def test_what_a_zombie_wrote_is_never_read(scene: Scene) -> None:
    zombie = await scene.running(max_retries=1)
    await scene.store.requests.lost(zombie)
    owner = await scene.claim(zombie, "session-b")
    with pytest.raises(Fenced):
        await scene.store.requests.complete(zombie, noise(50_000, seed=1), 1)
    done = await scene.store.requests.complete(owner, noise(50_000, seed=2), 1)
    with pytest.raises(Fenced):
        await scene.store.requests.complete(zombie, noise(60_000, seed=3), 1)
    assert done.result is not None
    assert await scene.store.requests.load(done, done.result) == noise(50_000, seed=2)


async def test_a_refused_duplicate_does_not_replace_the_payload(scene: Scene) -> None:
    job = await scene.submit(payload=noise(50_000, seed=1), payload_hash="one")
    with pytest.raises(Exception, match="already used"):
        await scene.submit(payload=noise(50_000, seed=2), payload_hash="two")
    assert await scene.store.requests.load(job, job.payload) == noise(50_000, seed=1)


async def test_the_same_request_in_other_bytes_does_not_replace_the_payload(scene: Scene) -> None:
    """A client may send its keys in another order: the same request by its hash, but not the same parts."""
    job = await scene.submit(payload=noise(900_000, seed=1), payload_hash="same")
    await scene.submit(payload=noise(400_000, seed=2), payload_hash="same")
    assert await scene.store.requests.load(job, job.payload) == noise(900_000, seed=1)


async def test_an_id_used_again_reads_its_own_result(scene: Scene) -> None:
    await scene.store.requests.complete(await scene.running(), noise(50_000, seed=1), 1)
    scene.clock.advance(8 * DAY_MS)
    done = await scene.store.requests.complete(await scene.running(), noise(40_000, seed=2), 1)
    assert done.result is not None
    assert await scene.store.requests.load(done, done.result) == noise(40_000, seed=2)


async def test_side_items_belong_to_their_job(scene: Scene) -> None:
    first = await scene.submit("r1", payload=noise(50_000))
    second = await scene.submit("r2", payload=noise(50_000))
    for job in (first, second):
        assert await scene.store.requests.load(job, job.payload) == noise(50_000)


async def test_parts_come_back_in_order_and_only_whole(scene: Scene) -> None:
    parts = [bytes([number]) * 10 for number in range(12)]
    await scene.rows.put_aside("job", "x#1", parts, scene.clock() + DAY_MS)
    assert await scene.rows.get_aside("job", Aside("x#1", 12)) == parts
    assert await scene.rows.get_aside("job", Aside("x#1", 13)) is None
    assert await scene.rows.get_aside("job", Aside("x#2", 1)) is None


async def test_content_that_is_gone_is_not_found(scene: Scene) -> None:
    job = await scene.submit()
    with pytest.raises(NotFound):
        await scene.store.requests.load(job, Aside("p#gone", 1))
