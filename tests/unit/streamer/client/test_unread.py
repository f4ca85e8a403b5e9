import asyncio

from streamer.client.events import Chunk, Event, ProgressEvent
from streamer.client.unread import COALESCED_FROM, KEPT, Unread


def chunk(index: int) -> Event:
    return Chunk(request_id="r", index=index, data=index)


def progress(percentage: float) -> Event:
    return ProgressEvent(request_id="r", percentage=percentage)


def filled(count: int) -> Unread:
    unread = Unread()
    for index in range(count):
        unread.put(chunk(index))
    return unread


async def rest(unread: Unread) -> list[Event]:
    unread.end()
    events = []
    while (event := await unread.get()) is not None:
        events.append(event)
    return events


async def test_what_is_put_is_got_in_order() -> None:
    assert await rest(filled(3)) == [chunk(0), chunk(1), chunk(2)]


async def test_progress_is_coalesced_only_where_much_is_unread() -> None:
    unread = filled(COALESCED_FROM)
    for percentage in (1, 2, 3):
        unread.put(progress(percentage))
    unread.put(chunk(COALESCED_FROM))
    unread.put(progress(4))
    assert (await rest(unread))[COALESCED_FROM:] == [progress(3), chunk(COALESCED_FROM), progress(4)]
    few = Unread()
    for percentage in (1, 2, 3):
        few.put(progress(percentage))
    assert await rest(few) == [progress(1), progress(2), progress(3)]


async def test_without_a_reader_the_oldest_go() -> None:
    unread = filled(KEPT + 2)
    assert not unread.is_full
    assert unread.dropped == 2
    assert (await rest(unread))[0] == chunk(2)


async def test_with_a_reader_nothing_goes_and_it_is_full() -> None:
    unread = Unread()
    with unread.reader():
        for index in range(KEPT):
            unread.put(chunk(index))
        was_full = unread.is_full
        unread.put(chunk(KEPT))
        assert (was_full, unread.is_full) == (False, True)
        room = asyncio.create_task(unread.room())
        await asyncio.sleep(0)
        assert not room.done()
        assert await unread.get() == chunk(0)
        await room
        assert unread.dropped == 0


async def test_there_is_room_when_the_reader_goes_or_nothing_more_comes() -> None:
    unread = Unread()
    with unread.reader():
        for index in range(KEPT + 1):
            unread.put(chunk(index))
        left = asyncio.create_task(unread.room())
        await asyncio.sleep(0)
    await left
    assert unread.dropped == 1
    with unread.reader():
        unread.put(chunk(KEPT + 1))
        ended = asyncio.create_task(unread.room())
        await asyncio.sleep(0)
        unread.end()
        await ended
        assert not unread.is_full


async def test_who_waits_for_the_next_is_told_of_the_end() -> None:
    unread = Unread()
    waiting = asyncio.create_task(unread.get())
    await asyncio.sleep(0)
    unread.end()
    assert await waiting is None
