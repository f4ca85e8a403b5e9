"""A node in this process, clients of it, and the hand of a worker."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from app.node import Node
from app.server import Server, serving
from streamer.auth import issue_token
from streamer.cluster.calls import Caller
from streamer.cluster.sigv4 import Key
from streamer.jobs.model import Job
from streamer.protocol import frames
from streamer.protocol.frames import Place
from streamer.settings import Settings
from streamer.store.base import RequestQueue, Store
from streamer.store.open import open_store
from tests.support.until import PATIENT_S

SECRET = "a secret of at least thirty-two bytes"
KEY = Key("inside", "shared")
V1 = [Subprotocol("streamer.v1")]


def settings(folder: Path, **changes: Any) -> Settings:
    given: dict[str, Any] = {
        "store": f"sqlite:///{folder / 'streamer.db'}",
        "port": 0,
        "internal_port": 0,
        "jwt_secret": SECRET,
        "cluster_key_id": KEY.key_id,
        "cluster_secret": KEY.secret,
        "actions": ("tests.integration.app.actions",),
        "drain_s": 2.0,
        "rate_limit": 0,
        "session_beat_s": 0.2,
        "session_dead_s": 2.0,
    }
    return Settings(**{**given, **changes})


def token(user: str = "ann", tenant: str = "t1", permissions: tuple[str, ...] = (), expires_in_s: float = 600) -> str:
    return issue_token(SECRET, user=user, tenant=tenant, permissions=permissions, expires_in_s=expires_in_s)


@dataclass
class Client:
    """One socket; keeps what it was sent."""

    socket: ClientConnection
    seen: list[dict[str, Any]] = field(default_factory=list)

    async def send(self, **frame: Any) -> None:
        await self.socket.send(orjson.dumps(frame).decode())

    async def next(self, kind: str | None = None, *, timeout_s: float = PATIENT_S) -> dict[str, Any]:
        """The next frame; with `kind`, the next one of that type."""
        while True:
            async with asyncio.timeout(timeout_s):
                frame: dict[str, Any] = orjson.loads(await self.socket.recv())
            self.seen.append(frame)
            if kind in (None, frame["type"]):
                return frame

    async def ask(self, **frame: Any) -> dict[str, Any]:
        await self.send(**frame)
        return await self.next()

    async def is_silent(self) -> bool:
        """Whether nothing came before the answer to a ping."""
        answer = await self.ask(type="ping", id="quiet?")
        return bool(answer["type"] == "pong")

    async def closed(self) -> int:
        async with asyncio.timeout(PATIENT_S):
            await self.socket.wait_closed()
        return self.socket.close_code or 0


@dataclass
class House:
    """A node, its store as a worker opens it, and a way to call inside."""

    server: Server
    store: Store
    caller: Caller
    exits: AsyncExitStack

    @property
    def node(self) -> Node:
        return self.server.node

    @property
    def requests(self) -> RequestQueue:
        return self.store.requests

    @property
    def ws_url(self) -> str:
        return self.server.url.replace("http", "ws", 1) + "/ws"

    async def client(self, bearer: str | None = None, *, v1: bool = False, **options: Any) -> Client:
        headers = {"Authorization": f"Bearer {token() if bearer is None else bearer}"}
        opening = connect(self.ws_url, additional_headers=headers, subprotocols=V1 if v1 else None, **options)
        client = Client(await self.exits.enter_async_context(opening))
        if v1:
            assert (await client.next())["type"] == "welcome"
        return client

    async def deliver(self, job: Job, kind: str, seq: int, frame: bytes, **meta: Any) -> dict[str, Any]:
        return await self.deliver_all([(self.meta(job, kind, seq, **meta), frame)])

    async def deliver_all(self, pairs: list[tuple[dict[str, Any], bytes]]) -> dict[str, Any]:
        body = b"\n".join(itertools.chain.from_iterable((orjson.dumps(meta), frame) for meta, frame in pairs))
        answer = await self.caller.post(self.node.internal_url, "/internal/deliver", body)
        result: dict[str, Any] = orjson.loads(answer)
        return result

    def meta(self, job: Job, kind: str, seq: int, **changes: Any) -> dict[str, Any]:
        return {
            "c": sorted(job.routes),
            "j": job.job_id,
            "t": job.tenant,
            "u": job.user,
            "a": job.attempt,
            "s": seq,
            "k": kind,
            "at": 0.0,
            **changes,
        }

    async def claimed(self, job_id: str, session: str = "worker1") -> Job:
        job = await self.requests.claim(job_id, "default", session)
        assert job is not None
        return job

    async def completed(self, job_id: str, result: bytes = b'"done"') -> Job:
        """A worker runs the job and writes its outcome, and tells nobody."""
        job = await self.claimed(job_id)
        return await self.requests.complete(job, result, 2)


@asynccontextmanager
async def house(folder: Path, **changes: Any) -> AsyncIterator[House]:
    async with AsyncExitStack() as outer:
        chosen = settings(folder, **changes)
        server = await outer.enter_async_context(serving(chosen))
        store = await outer.enter_async_context(open_store(chosen.store))
        await store.create()
        caller = await outer.enter_async_context(Caller(KEY, connect_s=PATIENT_S, total_s=PATIENT_S))
        async with AsyncExitStack() as exits:
            yield House(server, store, caller, exits)


def outcome(job: Job, result: bytes = b'"done"') -> bytes:
    return frames.complete(Place(job.client_id, job.job_id, job.attempt, job.seq), result, 0, 0.0)
