"""Leaving: every socket is told to go elsewhere, not all in the same moment, and none in the middle of an answer."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

import structlog

from app.connection import Connection
from app.node import Node
from streamer.protocol.codes import Close

log = structlog.get_logger()

GAP_S: Final = 0.005
"""Between two closes: 200 clients per second look for another node."""
LOOK_AGAIN_S: Final = 0.02
LAST_WORDS_S: Final = 1.0
"""For handlers that were stopped to clean up, and their answers to be sent."""
REASON: Final = "the node restarts"


async def drain(node: Node, drain_s: float) -> None:
    """Refuses new sockets from now on; closes each open one (1012) once nothing of it waits for an answer.

    Takes at most `drain_s`, half of it for spreading the closes; what then still runs is stopped, and answered with
    SERVICE_UNAVAILABLE. Short where there are few sockets.
    """
    started = time.monotonic()
    node.health.is_draining = True
    log.info("draining", connections=len(node.hub), inline=len(node.inline))
    gap_s = min(GAP_S, drain_s / 2 / max(1, len(node.hub)))
    is_in_time = _until(started + drain_s)
    while _open(node) and is_in_time():
        await _close_idle(node, gap_s)
        await asyncio.sleep(LOOK_AGAIN_S)
    stopped = node.inline.stop_all()
    is_in_time = _until(time.monotonic() + LAST_WORDS_S)
    while stopped and len(node.inline) and is_in_time():  # noqa: ASYNC110  # many conditions, once in a life
        await asyncio.sleep(LOOK_AGAIN_S)
    cut = _open(node)
    for connection in cut:
        connection.outbox.close(Close.RESTARTING, REASON)
    log.info("drained", stopped=stopped, cut=len(cut), seconds=round(time.monotonic() - started, 3))


async def _close_idle(node: Node, gap_s: float) -> None:
    idle = [connection for connection in _open(node) if not connection.in_flight]
    random.shuffle(idle)
    for connection in idle:
        if not connection.in_flight:  # it may have asked for something meanwhile
            connection.outbox.close(Close.RESTARTING, REASON)
            await asyncio.sleep(gap_s)


def _open(node: Node) -> list[Connection]:
    return [connection for connection in node.hub if not connection.outbox.closed]


def _until(end: float) -> Callable[[], bool]:
    return lambda: time.monotonic() < end
