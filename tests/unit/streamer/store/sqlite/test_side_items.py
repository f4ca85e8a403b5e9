from pathlib import Path

from streamer.store.sqlite import SqliteStore
from tests.support.jobs import NOON_MS, Clock, row, submission
from tests.unit.streamer.store.sqlite.conftest import Sql


async def test_calls_are_told_to_the_observer_by_their_verbs(path: Path, clock: Clock) -> None:
    told: list[str] = []
    store = SqliteStore(path, clock=clock, observer=lambda verb, *_: told.append(verb))
    await store.inbox.add("acme", "ann", row().job_id)
    await store.inbox.list("acme", "ann", 10)
    await store.inbox.remove("acme", "ann", row().job_id)
    await store.close()
    assert told == ["put_event", "read_events", "delete_event"]


async def test_what_expired_is_not_read_though_it_is_still_there(store: SqliteStore, clock: Clock, sql: Sql) -> None:
    job = (await store.requests.enqueue(submission(durable=True))).job
    sql("UPDATE events SET expires_ms = ?", NOON_MS + 1)
    assert await store.inbox.list(job.tenant, job.user, 10) == [job.job_id]
    clock.advance(1)
    assert await store.inbox.list(job.tenant, job.user, 10) == []
    assert sql("SELECT count(*) FROM events") == [(1,)]
