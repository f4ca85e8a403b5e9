"""Rows of another version of this program: neither run by mistake nor damaged."""

from dataclasses import replace

from streamer.jobs import lifecycle
from streamer.jobs.dispatch import Kind
from streamer.jobs.model import SCHEMA_VERSION, Job, Progress, Status
from tests.support.store import Engine, Scene


async def put(scene: Scene, **fields: object) -> Job:
    """A row as another version may have written it."""
    job = replace(lifecycle.submit(scene.submission(), "n", scene.clock(), scene.clock()), **fields)  # type: ignore[arg-type]  # of Job
    assert await scene.rows.insert(job, scene.clock()) is None
    return job


async def test_a_newer_row_is_not_claimed(scene: Scene) -> None:
    job = await put(scene, version=SCHEMA_VERSION + 1)
    assert await scene.store.requests.claim(job.job_id, scene.queue, "s") is None
    assert await scene.row(job) == job
    assert list(await scene.index(Kind.READY)) == [job.job_id]


async def test_an_older_row_is_claimed(scene: Scene) -> None:
    job = await put(scene, version=SCHEMA_VERSION - 1)
    assert (await scene.claim(job)).version == SCHEMA_VERSION - 1


async def test_a_newer_row_is_cancelled_and_watched_like_any_other(scene: Scene) -> None:
    job = await put(scene, version=SCHEMA_VERSION + 1)
    await scene.store.requests.attach(job.job_id, scene.tenant, scene.user, "c1")
    assert (await scene.cancel(job)).status is Status.CANCELLED


async def test_unknown_attributes_pass_through_untouched(scene: Scene, engine: Engine) -> None:
    unknown: dict[str, object] = {"later": {"deep": ["x", 1.5]}, "more": "y"}
    if engine.name != "sqlite":  # in DynamoDB's own notation
        unknown = {"later": {"M": {"deep": {"L": [{"S": "x"}, {"N": "1.5"}]}}}, "more": {"B": b"\x00\xff"}}
    job = await put(scene, unknown=unknown)
    assert (await scene.row(job)).unknown == unknown
    running = await scene.claim(job)
    await scene.store.requests.save_progress(running, Progress(50), 1)
    await scene.store.requests.release(running)
    running = await scene.claim(job)
    done = await scene.store.requests.complete(running, b"1", 1)
    assert done.unknown == unknown
    assert (await scene.row(job)).unknown == unknown
