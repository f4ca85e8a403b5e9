"""save_checkpoint: from what, and behind which output, the next attempt goes on."""

import pytest

from streamer.errors import Fenced, NotFound, PayloadTooLarge
from streamer.jobs.dispatch import Kind
from streamer.jobs.model import Aside, Job, Kept, Progress, Status
from streamer.store.queue import MAX_BODY_BYTES
from tests.support.jobs import DAY_MS, OOPS, noise
from tests.support.store import Scene

SMALL = b'{"page":7}'


async def test_a_checkpoint_is_kept(scene: Scene) -> None:
    running = await scene.running()
    assert (running.checkpoint, running.kept, running.kept_chunks) == (None, (), 0)
    saved = await scene.store.requests.save_checkpoint(running, SMALL, 4, chunks=50)
    assert (saved.checkpoint, saved.kept, saved.kept_chunks, saved.seq) == (SMALL, (Kept(1, 50),), 50, 4)
    assert (saved.status, saved.owner, saved.entry) == (Status.PROCESSING, running.owner, running.entry)
    assert await scene.row(running) == saved
    assert await scene.index(Kind.RUNNING) == {running.job_id: running.entry}


async def test_the_newest_checkpoint_of_an_attempt_is_the_one(scene: Scene) -> None:
    running = await scene.running()
    for page, chunks in ((1, 10), (2, 10), (3, 40)):
        saved = await scene.store.requests.save_checkpoint(running, b"%d" % page, page, chunks=chunks)
    assert (saved.checkpoint, saved.kept) == (b"3", (Kept(1, 40),))


async def test_the_same_again_changes_nothing(scene: Scene) -> None:
    running = await scene.running()
    saved = await scene.store.requests.save_checkpoint(running, SMALL, 4, chunks=50)
    assert await scene.store.requests.save_checkpoint(running, SMALL, 4, chunks=50) == saved
    assert await scene.store.requests.save_checkpoint(saved, SMALL, 4, chunks=50) == saved


async def give_back(scene: Scene, job: Job, verb: str) -> Job:
    if verb == "retry":
        return await scene.store.requests.retry(job, OOPS, 9, scene.clock())
    given: Job = await getattr(scene.store.requests, verb)(job)
    return given


@pytest.mark.parametrize("verb", ["lost", "release", "retry"])
async def test_the_next_attempt_starts_from_it(scene: Scene, verb: str) -> None:
    running = await scene.running(max_retries=3)
    await scene.store.requests.save_checkpoint(running, SMALL, 4, chunks=50)
    back = await give_back(scene, running, verb)  # by who holds an older row
    again = await scene.claim(back, "session-b")
    assert (again.attempt, again.seq, again.checkpoint, again.kept_chunks) == (2, 0, SMALL, 50)
    further = await scene.store.requests.save_checkpoint(again, b"8", 1, chunks=60)
    assert further.kept == (Kept(1, 50), Kept(2, 60))
    assert (await scene.claim(await give_back(scene, further, verb))).kept == further.kept


async def test_an_attempt_without_output_keeps_what_the_earlier_one_had(scene: Scene) -> None:
    running = await scene.running(max_retries=3)
    await scene.store.requests.save_checkpoint(running, SMALL, 4, chunks=50)
    again = await scene.claim(await scene.store.requests.lost(running))
    saved = await scene.store.requests.save_checkpoint(again, b"8", 1, chunks=50)
    assert (saved.checkpoint, saved.kept) == (b"8", (Kept(1, 50),))


async def test_a_zombies_checkpoint_is_refused_and_reaches_nobody(scene: Scene) -> None:
    zombie = await scene.running(max_retries=3)
    owner = await scene.claim(await scene.store.requests.lost(zombie), "session-b")
    mine = await scene.store.requests.save_checkpoint(owner, noise(50_000, seed=1), 1, chunks=5)
    with pytest.raises(Fenced):
        await scene.store.requests.save_checkpoint(zombie, noise(50_000, seed=2), 9, chunks=500)
    assert await scene.row(owner) == mine
    assert mine.checkpoint is not None
    assert await scene.store.requests.load(mine, mine.checkpoint) == noise(50_000, seed=1)


async def test_progress_that_was_faster_does_not_refuse_it(scene: Scene) -> None:
    """Both are of the same attempt, and on their way at the same time: a later number is no other owner."""
    running = await scene.running()
    await scene.store.requests.save_progress(running, Progress(60), 9)
    saved = await scene.store.requests.save_checkpoint(running, SMALL, 4, chunks=50)
    assert (saved.checkpoint, saved.kept, saved.seq, saved.progress) == (SMALL, (Kept(1, 50),), 9, Progress(60))
    assert await scene.row(running) == saved


async def test_it_shows_routes_and_a_requested_cancel(scene: Scene) -> None:
    running = await scene.running(connection="c1")
    await scene.store.requests.attach(running.job_id, scene.tenant, scene.user, "c2")
    await scene.cancel(running)
    saved = await scene.store.requests.save_checkpoint(running, SMALL, 1)
    assert saved.routes == {"c1", "c2"}
    assert saved.cancel_requested_ms == scene.clock()


@pytest.mark.parametrize("size", [10_000, 500_000, MAX_BODY_BYTES - 10])
async def test_a_big_checkpoint_lies_beside_the_row(scene: Scene, size: int) -> None:
    running = await scene.running(max_retries=1)
    await scene.store.requests.save_checkpoint(running, noise(size), 1, chunks=3)
    again = await scene.claim(await scene.store.requests.lost(running))
    assert isinstance(again.checkpoint, Aside)
    assert await scene.store.requests.load(again, again.checkpoint) == noise(size)


async def test_a_big_checkpoint_is_named_by_its_bytes(scene: Scene) -> None:
    """Who read the row before the next one was saved still finds what that row names."""
    running = await scene.running()
    first = await scene.store.requests.save_checkpoint(running, noise(50_000, seed=1), 1)
    second = await scene.store.requests.save_checkpoint(running, noise(50_000, seed=2), 2)
    for saved, seed in ((first, 1), (second, 2)):
        assert saved.checkpoint is not None
        assert await scene.store.requests.load(saved, saved.checkpoint) == noise(50_000, seed=seed)


async def test_a_big_checkpoint_lives_for_thirty_days(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_until: list[int] = []
    put_aside = scene.rows.put_aside

    async def recorded(job_id: str, name: str, parts: list[bytes], expires_ms: int) -> None:
        kept_until.append(expires_ms)
        await put_aside(job_id, name, parts, expires_ms)

    monkeypatch.setattr(scene.rows, "put_aside", recorded)
    await scene.store.requests.save_checkpoint(await scene.running(), noise(50_000), 1)
    assert kept_until == [scene.clock() + 30 * DAY_MS]


@pytest.mark.parametrize("over", [1, 500_000])
async def test_a_checkpoint_over_a_mebibyte_is_refused(scene: Scene, over: int) -> None:
    running = await scene.running()
    with pytest.raises(PayloadTooLarge, match="The checkpoint is too big"):
        await scene.store.requests.save_checkpoint(running, b"0" * (MAX_BODY_BYTES + over), 1)
    assert await scene.row(running) == running


async def test_a_checkpoint_that_is_gone_is_not_found(scene: Scene) -> None:
    running = await scene.running()
    with pytest.raises(NotFound):
        await scene.store.requests.load(running, Aside("k#gone", 1))


async def test_a_dead_worker_leaves_as_much_output_as_was_kept(scene: Scene) -> None:
    running = await scene.running(max_retries=0)
    await scene.store.requests.save_checkpoint(running, SMALL, 4, chunks=50)
    [seen] = await scene.store.requests.running(scene.queue, "session-a")
    job = await scene.store.requests.lost(seen)
    assert (job.status, job.chunks, job.kept) == (Status.FAILED, 50, (Kept(1, 50),))


async def test_a_redrive_starts_from_the_beginning(scene: Scene) -> None:
    running = await scene.running()
    saved = await scene.store.requests.save_checkpoint(running, SMALL, 4, chunks=50)
    dead = await scene.store.requests.fail(saved, OOPS, 5, chunks=70)
    again = await scene.store.requests.redrive(dead.job_id)
    assert (again.checkpoint, again.kept, dead.chunks) == (None, (), 70)
