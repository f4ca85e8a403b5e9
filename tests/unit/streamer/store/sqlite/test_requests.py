import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.jobs import dispatch, lifecycle
from streamer.jobs.dispatch import Kind
from streamer.jobs.model import SCHEMA_VERSION, Aside, Entry, Status
from streamer.store.base import Refused
from streamer.store.sqlite import SqliteStore
from streamer.store.sqlite.requests import MAX_INLINE_BYTES
from tests.support.jobs import NOON_MS, Clock, row, row_in, submission
from tests.unit.streamer.store.sqlite.conftest import Sql

PARTITION = "R#default#0"


async def test_a_transition_means_what_the_state_machine_says(store: SqliteStore) -> None:
    job = row()
    await store.rows.insert(job, NOON_MS)
    claim = lifecycle.claim(job.job_id, job.queue, "session-a", "nonce", NOON_MS)
    claimed = await store.rows.update_status(job.job_id, claim)
    assert claimed == lifecycle.applied(claim, job)
    assert await store.rows.read([job.job_id]) == {job.job_id: claimed}
    with pytest.raises(Refused) as refused:
        await store.rows.update_status(job.job_id, claim)
    assert refused.value.job == claimed


async def test_no_row_refuses_everything(store: SqliteStore) -> None:
    with pytest.raises(Refused) as refused:
        await store.rows.update_status("nothing", lifecycle.attach("acme", "ann", "c"))
    assert refused.value.job is None


async def test_only_columns_that_change_are_written(store: SqliteStore, sql: Sql) -> None:
    job = row(version=SCHEMA_VERSION + 1, unknown={"Zone": "eu"}, routes=frozenset({"c1"}))
    await store.rows.insert(job, NOON_MS)
    sql("CREATE TABLE written (new TEXT)")
    sql("CREATE TRIGGER watch AFTER UPDATE OF unknown, version, payload, entry_sort, status ON requests "
        "BEGIN INSERT INTO written VALUES (NEW.job_id); END")  # fmt: skip
    attached = await store.rows.update_status(job.job_id, lifecycle.attach("acme", "ann", "c2"))
    assert attached.routes == {"c1", "c2"}
    assert attached.unknown == {"Zone": "eu"}
    assert sql("SELECT unknown, version FROM requests") == [('{"Zone":"eu"}', SCHEMA_VERSION + 1)]
    assert sql("SELECT * FROM written") == []


async def test_a_transition_that_changes_nothing_writes_nothing(store: SqliteStore, sql: Sql) -> None:
    job = row(routes=frozenset({"c1"}))
    await store.rows.insert(job, NOON_MS)
    sql("CREATE TRIGGER watch BEFORE UPDATE ON requests BEGIN SELECT raise(ABORT, 'written'); END")
    assert await store.rows.update_status(job.job_id, lifecycle.attach("acme", "ann", "c1")) == job


async def test_an_expired_row_is_replaced_and_a_present_one_returned(store: SqliteStore) -> None:
    old = row(expires_ms=NOON_MS + 1000, status=Status.COMPLETED, entry=None, result=b"1")
    new = row(submit_nonce="other")
    assert await store.rows.insert(old, NOON_MS) is None
    assert await store.rows.insert(new, NOON_MS + 999) == old
    assert await store.rows.insert(new, NOON_MS + 1000) is None
    assert await store.rows.read([new.job_id]) == {new.job_id: new}


async def test_any_number_of_rows_is_read_at_once(store: SqliteStore) -> None:
    jobs = [row(job_id=f"j{n}") for n in range(1500)]
    await asyncio.gather(*(store.rows.insert(job, NOON_MS) for job in jobs))
    found = await store.rows.read([*(job.job_id for job in jobs), "missing"])
    assert found == {job.job_id: job for job in jobs}


async def test_entries_by_sort_key_prefix_and_end(store: SqliteStore) -> None:
    sorts = ["0", "a#", "a#1", "a#\U0010fffd", "a$", "b"]
    for sort in reversed(sorts):
        await store.rows.insert(row(job_id=sort, entry=Entry(PARTITION, sort)), NOON_MS)
    await store.rows.insert(row(job_id="elsewhere", entry=Entry("R#default#1", "a#2")), NOON_MS)
    await store.rows.insert(row(job_id="finished", entry=None), NOON_MS)

    async def found(limit: int = 100, **bounds: str) -> list[str]:
        entries = await store.rows.entries(PARTITION, limit=limit, **bounds)
        assert all(entry == Entry(PARTITION, job_id) for job_id, entry in entries)
        return [job_id for job_id, _ in entries]

    assert await found() == sorts
    assert await found(limit=2) == sorts[:2]
    assert await found(up_to="a$") == sorts[:4]
    assert await found(prefix="a#") == sorts[1:4]
    assert await found(prefix="a#", up_to="a#2") == sorts[1:3]
    assert await store.rows.count(PARTITION, limit=100) == 6
    assert await store.rows.count(PARTITION, limit=4) == 4
    assert await store.rows.count(PARTITION, limit=100, up_to="a#1") == 2


async def test_the_newest_of_a_user(store: SqliteStore) -> None:
    for n in range(4):
        await store.rows.insert(row(job_id=f"j{n}", created_ms=NOON_MS + n), NOON_MS)
    await store.rows.insert(row(job_id="other", user="bob"), NOON_MS)
    assert await store.rows.newest("acme", "ann", 3) == ["j3", "j2", "j1"]


async def test_side_items_come_back_whole_or_not_at_all(store: SqliteStore, sql: Sql) -> None:
    await store.rows.put_aside("j", "r#1", [b"one", b"two", b"three"], NOON_MS)
    await store.rows.put_aside("j", "r#1", [b"1", b"2"], NOON_MS)  # of the row's next life: shorter, and other bytes
    assert await store.rows.get_aside("j", Aside("r#1", 2)) == [b"1", b"2"]
    sql("DELETE FROM side_items WHERE part = 0")
    assert await store.rows.get_aside("j", Aside("r#1", 2)) is None
    assert await store.rows.get_aside("j", Aside("r#2", 1)) is None


@pytest.mark.parametrize(
    ("payload", "result", "fits"),
    [
        (b"x" * MAX_INLINE_BYTES, None, True),
        (b"x" * MAX_INLINE_BYTES, b"1", False),
        (Aside("p#1", 3), b"x" * MAX_INLINE_BYTES, True),
        (b"1", Aside("r#1", 3), True),
    ],
)
def test_what_fits_on_a_row(store: SqliteStore, payload: bytes | Aside, result: bytes | Aside, *, fits: bool) -> None:
    assert store.rows.fits(row(payload=payload, result=result)) is fits


async def test_of_two_processes_on_one_file_one_gets_each_job(path: Path, clock: Clock) -> None:
    stores = [SqliteStore(path, clock=clock) for _ in range(2)]
    ids = [
        (await stores[0].requests.enqueue(submission(client_id=f"r{n}"))).job.job_id
        for n in range(50)
    ]  # fmt: skip

    async def claim(store: SqliteStore, job_id: str, session: str) -> tuple[str, str] | None:
        job = await store.requests.claim(job_id, "default", session)
        return None if job is None else (job_id, session)

    racers = [(store, f"session-{n}") for n, store in enumerate(stores * 4)]
    claims = await asyncio.gather(*(claim(store, job_id, session) for job_id in ids for store, session in racers))
    won = [claim for claim in claims if claim is not None]
    assert sorted(job_id for job_id, _ in won) == sorted(ids)
    rows = await stores[1].requests.get_many(ids)
    assert {(job_id, rows[job_id].owner) for job_id in ids} == set(won)
    assert {rows[job_id].attempt for job_id in ids} == {1}
    for store in stores:
        await store.close()


async def test_a_read_sees_what_another_process_has_written(path: Path, clock: Clock) -> None:
    ours, theirs = (SqliteStore(path, clock=clock) for _ in range(2))
    assert await ours.rows.read([row().job_id]) == {}
    for status in Status:
        job = replace(row_in(status), job_id=status)
        await theirs.rows.insert(job, NOON_MS)
        assert await ours.rows.read([status]) == {status: job}
    partition = dispatch.partition(Kind.READY, "default", dispatch.shard(row().job_id))
    assert [job_id for job_id, _ in await ours.rows.entries(partition, limit=9)] == [Status.PENDING]
    await ours.close()
    await theirs.close()
