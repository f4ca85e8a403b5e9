import asyncio

import pytest

from app import outbox
from app.outbox import Message, Outbox
from tests.support.until import until


class Transport:
    """Writes only while it may, like a socket whose client reads or does not."""

    def __init__(self) -> None:
        self.writable = asyncio.Event()
        self.writable.set()
        self.sent: list[str] = []
        self.error: Exception | None = None

    async def send(self, message: Message) -> None:
        await self.writable.wait()
        if self.error is not None:
            raise self.error
        self.sent.append(str(message.get("text", message.get("code"))))


class Box:
    def __init__(self) -> None:
        self.transport = Transport()
        self.overflows = 0
        self.outbox = Outbox(self.transport.send, "c1", self.overflowed)

    def overflowed(self) -> None:
        self.overflows += 1

    async def emptied(self) -> list[str]:
        self.transport.writable.set()
        await until(lambda: self.outbox.writer is None)
        return self.transport.sent


@pytest.fixture
async def box() -> Box:
    return Box()


async def test_an_empty_outbox_writes_at_once_without_a_task(box: Box) -> None:
    box.outbox.put(b"1")
    box.outbox.put_newest("j", b"2")
    assert box.transport.sent == ["1", "2"]
    assert box.outbox.writer is None


async def test_what_waits_keeps_its_order(box: Box) -> None:
    box.transport.writable.clear()
    for frame in (b"1", b"2", b"3"):
        box.outbox.put(frame)
    box.outbox.close(1012)
    box.outbox.close(1000)
    box.outbox.put(b"4")
    assert await box.emptied() == ["1", "2", "3", "1012"]


async def test_waiting_progress_is_replaced_by_newer_which_goes_behind(box: Box) -> None:
    box.transport.writable.clear()
    box.outbox.put(b"in hand")
    box.outbox.put_newest("j", b"10 %")
    box.outbox.put(b"retrying")
    box.outbox.put_newest("k", b"other")
    box.outbox.put_newest("j", b"20 %")
    assert await box.emptied() == ["in hand", "retrying", "other", "20 %"]


async def test_a_frame_too_many_ends_it(box: Box) -> None:
    box.transport.writable.clear()
    for _ in range(outbox.MAX_FRAMES + 2):
        box.outbox.put(b"x")
    assert box.overflows == 1
    assert box.outbox.closed
    assert await box.emptied() == ["x", "1013"]


async def test_a_byte_too_many_ends_it_but_one_large_frame_may_wait(box: Box) -> None:
    box.transport.writable.clear()
    box.outbox.put(b"in hand")
    box.outbox.put(b"x" * (outbox.MAX_BYTES + 1))
    assert not box.outbox.closed
    box.outbox.put(b"y")
    assert box.overflows == 1


async def test_a_socket_that_is_gone_takes_nothing(box: Box) -> None:
    box.transport.error = OSError()
    box.outbox.put(b"1")
    assert box.outbox.closed
    box.outbox.put_newest("j", b"2")
    assert not box.transport.sent


async def test_a_socket_that_goes_while_it_is_full_takes_nothing_more(box: Box) -> None:
    box.transport.writable.clear()
    box.outbox.put(b"1")
    box.outbox.put(b"2")
    box.transport.error = RuntimeError("after websocket.close")
    assert await box.emptied() == []
    assert box.outbox.closed


async def test_an_abandoned_outbox_drops_everything(box: Box) -> None:
    box.transport.writable.clear()
    box.outbox.put(b"1")
    box.outbox.put(b"2")
    writer = box.outbox.writer
    assert writer is not None
    box.outbox.abandon()
    await asyncio.wait([writer])
    assert not box.transport.sent


async def test_an_outbox_that_stalls_twice_has_a_writer_twice(box: Box) -> None:
    for frame in (b"1", b"2"):
        box.transport.writable.clear()
        box.outbox.put(frame)
        await box.emptied()
    assert box.transport.sent == ["1", "2"]


async def test_it_says_before_it_is_too_late_that_it_is_full(box: Box) -> None:
    box.transport.writable.clear()
    box.outbox.put(b"in hand")
    while not box.outbox.is_full:
        box.outbox.put(b"x" * outbox.ROOM)
    assert not box.overflows
    assert await box.emptied()
    assert not box.outbox.is_full


async def test_many_small_frames_fill_it_too(box: Box) -> None:
    box.transport.writable.clear()
    box.outbox.put(b"in hand")
    for _ in range(outbox.MAX_FRAMES):
        assert not box.outbox.is_full
        box.outbox.put(b"x")
    assert box.outbox.is_full


async def test_who_pulls_waits_for_the_transport(box: Box) -> None:
    await box.outbox.ready()
    box.transport.writable.clear()
    box.outbox.put(b"1")
    pulling = asyncio.create_task(box.outbox.ready())
    await asyncio.sleep(0)
    assert not pulling.done()
    assert await box.emptied() == ["1"]
    await pulling


async def test_who_pulls_is_let_go_when_the_socket_is_gone(box: Box) -> None:
    box.transport.writable.clear()
    box.outbox.put(b"1")
    box.outbox.abandon()  # before its writer had a turn
    await box.outbox.ready()
