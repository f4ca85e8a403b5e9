"""A program that reads the events of a submission more slowly than they come."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from streamer.client import Chunk, Event, Session, Submission
from streamer.client.unread import KEPT
from tests.integration.client.fake_clock import FakeClock
from tests.integration.client.fake_node import FakeNode, acknowledgment, chunk, complete, response, session_with_node
from tests.support.until import until

MANY = 2 * KEPT


@asynccontextmanager
async def slow_reader(
    clock: FakeClock,
) -> AsyncIterator[tuple[Session, FakeNode, Submission, AsyncGenerator[Event, None]]]:
    """A job whose reader has read its first event, and whose node has many chunks to say and then does so."""
    async with session_with_node(clock=clock) as (session, node):
        submission = session.submit("stream", id="r")
        events = aiter(submission)
        first = asyncio.create_task(anext(events))
        await node.next()
        await node.say(acknowledgment("r"))
        await first
        saying = asyncio.create_task(node.say(*(chunk("r", index) for index in range(MANY))))
        await until(lambda: submission.chunks > KEPT, what="more than it takes is unread")
        try:
            yield session, node, submission, events
        finally:
            saying.cancel()
            await asyncio.gather(saying, return_exceptions=True)


async def rest(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


async def every_task_had_its_turn() -> None:
    for _ in range(200):
        await asyncio.sleep(0)


async def test_the_socket_is_not_read_on_until_there_is_room_and_nothing_is_lost() -> None:
    async with slow_reader(FakeClock()) as (_, node, submission, events):
        await every_task_had_its_turn()
        assert submission.chunks == KEPT + 1
        await anext(events)
        await until(lambda: submission.chunks == KEPT + 2)
        reading = asyncio.create_task(rest(events))
        await until(lambda: submission.chunks == MANY)
        await node.say(complete("r", MANY + 2, "done", chunks=MANY))
        found = await reading
        assert [event.index for event in found if isinstance(event, Chunk)] == list(range(1, MANY))
        assert submission.dropped == 0


async def test_a_reader_who_is_cut_off_for_it_gets_every_chunk_once() -> None:
    async with slow_reader(FakeClock()) as (_, node, _submission, events):
        closing = asyncio.create_task(node.socket.close(1013, "you read too slowly"))
        reading = asyncio.create_task(rest(events))
        resumed = await node.resumed("r")
        await closing
        seen = resumed["requests"][0]["chunks"]
        assert KEPT < seen <= MANY
        await node.say(*(chunk("r", index) for index in range(seen - 1, MANY)))
        await node.say(complete("r", MANY + 2, "done", chunks=MANY))
        found = await reading
        assert [event.index for event in found if isinstance(event, Chunk)] == list(range(MANY))


async def test_a_reader_who_goes_lets_the_others_have_their_turn() -> None:
    async with slow_reader(FakeClock()) as (session, node, submission, events):
        call = asyncio.create_task(session.call("echo", id="other"))
        await every_task_had_its_turn()
        await node.next()
        await events.aclose()  # what `break` does to an async generator
        await until(lambda: submission.chunks == MANY)
        await node.say(response("other", 1), complete("r", MANY + 2, "done", chunks=MANY))
        assert await call == 1
        assert await submission == "done"


async def test_a_node_that_is_not_read_is_not_taken_for_silent() -> None:
    clock = FakeClock()
    async with slow_reader(clock) as (_, node, _submission, _events):
        await every_task_had_its_turn()
        for _ in range(3):
            await clock.after(20.0)
        await until(lambda: clock.is_slept(20.0))
        assert node.heard.empty()
        assert len(node.sockets) == 1


async def test_a_session_is_closed_although_somebody_reads_slowly() -> None:
    async with slow_reader(FakeClock()) as (session, node, _submission, _events):
        await every_task_had_its_turn()
        await session.close()
        await node.socket.wait_closed()
        assert node.socket.close_code == 1000
