import random
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, none

from streamer.jobs.model import Job, Kept, Status
from streamer.store import log
from streamer.store.base import Chunk
from streamer.store.log import ITEM_BYTES, MAX_CHUNK_BYTES, PAGE_BYTES, PAGE_ITEMS, StoredLog
from tests.support.jobs import NOON_MS, Clock, row_in
from tests.unit.streamer.store.shelf import Shelf

JOB = row_in(Status.PROCESSING)


def chunks(first: int, until: int, *, attempt: int = 1, size: int = 10) -> list[Chunk]:
    """Numbered as an attempt does that emits nothing else."""
    noise = random.Random(first)
    return [
        Chunk(index, attempt, index + 1, b'"%b"' % noise.randbytes(size // 2).hex().encode())
        for index in range(first, until)
    ]


def names(shelf: Shelf) -> list[str]:
    return [sort for _, sort in sorted(shelf.items)]


@pytest.fixture
def shelf(clock: Clock) -> Shelf:
    return Shelf(clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stored(shelf: Shelf, clock: Clock) -> StoredLog:
    return StoredLog(shelf, clock=clock, ttl_ms=5_000)


# --- append ---------------------------------------------------------------------------------------------------


async def test_a_batch_is_one_item_named_by_attempt_and_last_index(stored: StoredLog, shelf: Shelf) -> None:
    await stored.append_events(JOB, chunks(0, 100))
    await stored.append_events(JOB, chunks(100, 103))
    assert list(shelf.items) == [(JOB.job_id, "c#000001#0000000099"), (JOB.job_id, "c#000001#0000000102")]
    assert {expires_ms for _, expires_ms in shelf.items.values()} == {NOON_MS + 5_000}


async def test_nothing_to_append(stored: StoredLog, shelf: Shelf) -> None:
    await stored.append_events(JOB, [])
    assert shelf.items == {}


async def test_the_same_chunks_again_are_the_same_items(stored: StoredLog, shelf: Shelf) -> None:
    many = chunks(7, 30, size=100_000)
    await stored.append_events(JOB, many)
    before = dict(shelf.items)
    await stored.append_events(JOB, many)
    assert shelf.items == before


def test_what_is_too_much_for_one_item_is_divided_by_chunks() -> None:
    many = chunks(0, 10, size=100_000)
    assert [len(batch) for batch in log.batches(many)] == [3, 3, 3, 1]
    assert [chunk for batch in log.batches(many) for chunk in batch] == many


def test_an_item_fits_into_dynamodb_whatever_it_holds() -> None:
    """400 KB with its name; tiny chunks weigh by their numbers, noise does not compress."""
    tiny = [Chunk(index, 1, 4_000_000_000 + index, b"1") for index in range(40_000)]
    for many in (tiny, chunks(0, 3, size=MAX_CHUNK_BYTES - 2), chunks(0, 30, size=50_000)):
        for batch in log.batches(many):
            assert len(log.pack(batch)) < 380_000


@pytest.mark.parametrize("size", [MAX_CHUNK_BYTES + 1, 2 * ITEM_BYTES])
async def test_a_chunk_that_fits_nowhere_is_refused_before_anything_is_stored(
    stored: StoredLog, shelf: Shelf, size: int
) -> None:
    with pytest.raises(ValueError, match=r"^chunk 1 has \d+ bytes, over 300000$"):
        await stored.append_events(JOB, [Chunk(0, 1, 1, b"1"), Chunk(1, 1, 2, b"1" * size)])
    assert shelf.items == {}


@pytest.mark.parametrize("second", [Chunk(4, 1, 2, b"1"), Chunk(6, 1, 2, b"1"), Chunk(5, 2, 2, b"1")])
def test_chunks_that_do_not_follow_each_other_are_refused(second: Chunk) -> None:
    with pytest.raises(ValueError, match=r"does not continue 4$"):
        log.batches([Chunk(4, 1, 1, b"1"), second])


def test_data_comes_back_as_it_went() -> None:
    datas = [b'{"a":[1,2.5,null,"\xc3\xa4"]}', b'""', b"0.1", b"[]", b"9223372036854775807", b'"\\u0000"']
    batch = [Chunk(index, 3, 10 * index, data) for index, data in enumerate(datas, 5)]
    raw = zlib.decompress(log.pack(batch))
    assert list(log.unpack(3, raw)) == batch


# --- read -----------------------------------------------------------------------------------------------------


async def read(stored: StoredLog, job: Job = JOB, start: int = 0) -> list[int]:
    return [chunk.index for chunk in await stored.read_events(job, start)]


async def test_a_page_begins_anywhere_within_an_item(stored: StoredLog) -> None:
    await stored.append_events(JOB, chunks(0, 10))
    await stored.append_events(JOB, chunks(10, 20))
    assert await read(stored, start=0) == list(range(20))
    assert await read(stored, start=7) == list(range(7, 20))
    assert await read(stored, start=19) == [19]
    assert await read(stored, start=20) == []


async def test_a_page_takes_whole_items_until_it_has_enough(stored: StoredLog) -> None:
    for first in range(0, 40, 10):
        await stored.append_events(JOB, chunks(first, first + 10, size=PAGE_BYTES // 15))
    assert await read(stored) == list(range(20))
    assert await read(stored, start=5) == list(range(5, 20))
    assert await read(stored, start=20) == list(range(20, 40))


async def test_a_page_asks_for_a_few_items(stored: StoredLog, shelf: Shelf) -> None:
    for index in range(20):
        await stored.append_events(JOB, chunks(index, index + 1))
    assert await read(stored, start=3) == list(range(3, 3 + PAGE_ITEMS))
    assert shelf.read == [(JOB.job_id, "c#000001#0000000003", "c#000001#9999999999", PAGE_ITEMS)]


async def test_the_largest_chunk_is_a_page_of_its_own(stored: StoredLog) -> None:
    await stored.append_events(JOB, chunks(0, 3, size=MAX_CHUNK_BYTES - 2))
    assert [await read(stored, start=start) for start in range(4)] == [[0], [1], [2], []]


async def test_a_page_ends_at_a_hole(stored: StoredLog, shelf: Shelf) -> None:
    for first in (0, 10, 20):
        await stored.append_events(JOB, chunks(first, first + 10))
    del shelf.items[JOB.job_id, "c#000001#0000000019"]
    assert await read(stored, start=5) == list(range(5, 10))
    assert await read(stored, start=10) == list(range(20, 30))  # the caller sees that the first comes later


async def test_what_two_items_hold_is_read_once(stored: StoredLog) -> None:
    """A batch without an answer that was made again together with what came after it."""
    await stored.append_events(JOB, chunks(0, 10))
    await stored.append_events(JOB, chunks(0, 15))
    assert await read(stored) == list(range(15))
    assert await read(stored, start=4) == list(range(4, 15))


async def test_what_expired_is_passed_over_up_to_the_next_stretch(stored: StoredLog, clock: Clock) -> None:
    job = replace(JOB, attempt=2, kept=(Kept(1, 10),))
    await stored.append_events(job, chunks(0, 10))
    clock.advance(4_000)
    await stored.append_events(job, chunks(10, 20, attempt=2))
    assert await read(stored, job) == list(range(10))
    clock.advance(1_000)
    assert await read(stored, job) == list(range(10, 20))
    clock.advance(4_000)
    assert await read(stored, job) == []


async def test_a_page_stays_within_a_stretch(stored: StoredLog) -> None:
    """The item in which a checkpoint lies may go on after it, with what is void."""
    job = replace(JOB, attempt=2, kept=(Kept(1, 10),))
    await stored.append_events(job, chunks(0, 15))
    await stored.append_events(job, chunks(15, 20))
    await stored.append_events(job, chunks(10, 12, attempt=2))
    assert [(chunk.index, chunk.attempt) for chunk in await stored.read_events(job, 8)] == [(8, 1), (9, 1)]
    assert [(chunk.index, chunk.attempt) for chunk in await stored.read_events(job, 10)] == [(10, 2), (11, 2)]


async def test_of_what_ended_only_what_it_counts_is_read(stored: StoredLog) -> None:
    await stored.append_events(JOB, chunks(0, 20))
    assert await read(stored, row_in(Status.COMPLETED, chunks=15), start=12) == [12, 13, 14]
    assert await read(stored, row_in(Status.COMPLETED, chunks=15), start=15) == []
    assert await read(stored, row_in(Status.COMPLETED), start=0) == []


async def test_of_what_waits_only_what_was_kept_is_read(stored: StoredLog) -> None:
    await stored.append_events(JOB, chunks(0, 20))
    assert await read(stored, row_in(Status.RETRYING)) == []
    assert await read(stored, row_in(Status.RETRYING, kept=(Kept(1, 5),))) == [0, 1, 2, 3, 4]


INDEXES = lists(integers(0, 12), max_size=12)


@given(INDEXES, integers(0, 12), none() | integers(0, 12))
def test_whatever_was_found_a_page_is_in_order_and_without_a_hole(
    found: list[int], start: int, end: int | None
) -> None:
    page = log.consecutive((Chunk(index, 1, 1, b"1") for index in found), start, end)
    indexes = [chunk.index for chunk in page]
    assert set(indexes) <= set(found)
    assert all(start <= index and (end is None or index < end) for index in indexes)
    assert indexes == [*range(indexes[0], indexes[0] + len(indexes))] if indexes else True
