"""Leaving: every socket is told to go elsewhere, not all in the same moment, and none in the middle of an answer."""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Final

import structlog

from app.connection import Connection
from app.hub import Hub
from app.leave import Leavers, Window
from app.node import Node
from streamer.protocol.codes import Close

log = structlog.get_logger()

SHARE: Final = 0.8
"""Of the time that there is, at most, for spreading; what runs inline has all of it."""
PER_SOCKET_S: Final = 0.1
"""Where there is time, ten clients per second look for another node."""
LOOK_AGAIN_S: Final = 0.02
LAST_WORDS_S: Final = 1.0
"""For handlers that were stopped to clean up, and their answers to be sent."""
REASON: Final = "the node restarts"


async def drain(node: Node, drain_s: float) -> None:
    """Refuses new sockets from now on; asks each open one to leave, in random order and evenly spread, and closes it
    (1012) after its time, once nothing of it waits for an answer.

    Takes at most `drain_s`; what then still runs inline is stopped, and answered with SERVICE_UNAVAILABLE. Short where
    there are few sockets.
    """
    started = time.monotonic()
    node.health.is_draining = True
    windows = slots(len(node.hub), drain_s)
    window_s = windows[-1][1] if windows else 0.0
    log.info("draining", connections=len(node.hub), inline=len(node.inline), window_s=round(window_s, 3))
    leavers = Leavers(REASON)
    await _ask_all(leavers, list(node.hub), windows, drain_s)
    await _see_off(node.hub, leavers, started + window_s, started + drain_s)
    await _answer_calls(node, started + drain_s)
    stopped = await _stop_inline(node)
    cut = _cut(node)
    seconds = round(time.monotonic() - started, 3)
    log.info("drained", left=leavers.left, closed=leavers.closed, stopped=stopped, cut=cut, seconds=seconds)


def slots(count: int, drain_s: float) -> Sequence[Window]:
    """When each of so many connections is to leave: windows that follow each other without a gap, so that the nodes
    beside this one get its clients one by one."""
    width_s = min(PER_SOCKET_S, SHARE * drain_s / max(1, count))
    return [(number * width_s, (number + 1) * width_s) for number in range(count)]


async def _ask_all(leavers: Leavers, connections: list[Connection], windows: Sequence[Window], drain_s: float) -> None:
    random.shuffle(connections)
    for connection, window in zip(connections, windows, strict=True):
        leavers.ask(connection, window, within_s=drain_s)
        await asyncio.sleep(0)  # ten thousand of them at a time would keep everybody waiting


async def _see_off(hub: Hub, leavers: Leavers, window_end: float, end: float) -> None:
    """Until all have left, or the time is over."""
    while True:
        leavers.close_due()
        now = time.monotonic()
        if now >= end:
            return
        _ask_late_ones(hub, leavers, window_end - now, end - now)
        if not leavers:
            return
        await asyncio.sleep(LOOK_AGAIN_S)


def _ask_late_ones(hub: Hub, leavers: Leavers, window_s: float, drain_s: float) -> None:
    """Those whose handshake was let in just before the drain began, anywhere in the rest of the window."""
    for connection in hub:
        if connection not in leavers and not connection.outbox.closed:
            start_s = random.uniform(0.0, max(0.0, window_s))  # noqa: S311  # nobody gains by guessing it
            leavers.ask(connection, (start_s, start_s + PER_SOCKET_S), within_s=drain_s)


async def _answer_calls(node: Node, end: float) -> None:
    """Calls over HTTP are not asked to leave: each ends with its answer."""
    while len(node.calls) and time.monotonic() < end:  # noqa: ASYNC110  # two conditions, once in a life
        await asyncio.sleep(LOOK_AGAIN_S)


async def _stop_inline(node: Node) -> int:
    stopped = node.inline.stop_all()
    end = time.monotonic() + LAST_WORDS_S
    while stopped and len(node.inline) and time.monotonic() < end:  # noqa: ASYNC110  # two conditions, once in a life
        await asyncio.sleep(LOOK_AGAIN_S)
    return stopped


def _cut(node: Node) -> int:
    """Closes who is still there: too busy to the end."""
    still = [connection for connection in node.hub if not connection.outbox.closed]
    for connection in still:
        connection.outbox.close(Close.RESTARTING, REASON)
    return len(still)
