"""Parts of a node without a socket."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.connection import Connection, OnGap
from app.limits import Allowance
from app.outbox import Message, Outbox
from streamer.auth import Principal
from streamer.jobs import lifecycle
from streamer.jobs.model import Job, Submission
from streamer.store.base import NodeRow

ANN = Principal("ann", "t1", frozenset(), None)


@dataclass
class Socket:
    """Takes what is sent."""

    sent: list[Message] = field(default_factory=list)

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [orjson.loads(message["text"]) for message in self.sent if message["type"] == "websocket.send"]


def connection(
    socket: Socket,
    *,
    name: str = "n1.c1",
    principal: Principal = ANN,
    v1: bool = False,
    on_gap: OnGap = lambda _, __: None,
) -> Connection:
    outbox = Outbox(socket.send, name, lambda: None)
    return Connection(name, principal, outbox, Allowance(0, time.monotonic()), speaks_v1=v1, on_gap=on_gap)


def job(**changes: Any) -> Job:
    given: dict[str, Any] = {
        "tenant": "t1",
        "user": "ann",
        "client_id": "r1",
        "action": "echo_async",
        "payload": b"{}",
        "payload_hash": "h",
        "start_within_ms": 1_000,
        "connection": "n1.c1",
    }
    return lifecycle.submit(Submission(**{**given, **changes}), "nonce", 1_000, 1_000)


@dataclass
class Rows:
    """A registry of nodes that is what it is told to be."""

    rows: list[NodeRow] = field(default_factory=list)

    async def list(self, kind: str) -> Sequence[NodeRow]:
        return [row for row in self.rows if row.kind == kind]

    async def beat(self, kind: str, node_id: str, info: Any) -> int:
        raise NotImplementedError

    async def remove(self, kind: str, node_id: str, *, beat: int | None = None) -> None:
        raise NotImplementedError
