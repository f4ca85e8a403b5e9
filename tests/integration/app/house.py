"""A node in this process, clients of it, and the hand of a worker."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from app.node import Node
from app.server import Server, serving
from streamer.auth import issue_token
from streamer.cluster.calls import Caller
from streamer.cluster.listener import Listener
from streamer.cluster.registry import WORKER
from streamer.cluster.sigv4 import Key
from streamer.jobs import ids
from streamer.jobs.model import Job, Progress
from streamer.protocol import frames
from streamer.protocol.frames import Place
from streamer.protocol.schema import SERVER_TYPES
from streamer.settings import Settings
from streamer.store.base import Chunk, Connection, RequestQueue, Store
from streamer.store.open import open_store
from tests.support.contract import contract
from tests.support.until import PATIENT_S, until

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


def token(user: str = "ann", tenant: str = "t1", permissions: tuple[str, ...] = (), expires_in_s: float = 3_600) -> str:
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
            if frame.get("type") in SERVER_TYPES:  # anything else was pushed
                fault = contract().fault_in_received(frame)
                assert fault is None, fault
            if kind in (None, frame["type"]):
                return frame

    async def ask(self, **frame: Any) -> dict[str, Any]:
        await self.send(**frame)
        return await self.next()

    async def take(self, count: int) -> list[dict[str, Any]]:
        return [await self.next() for _ in range(count)]

    @property
    def welcome(self) -> dict[str, Any]:
        """The first frame of a client of version 1."""
        return self.seen[0]

    @property
    def connection_id(self) -> str:
        """By which it goes: the one of the welcome, or the former one that it took up."""
        named = [frame for frame in self.seen if frame["type"] in ("welcome", "resumed")]
        return str(named[-1]["connection_id"])

    async def resume(self, *requests: Any, **fields: Any) -> dict[str, Any]:
        """Names requests by their id, or by more; gives the `resumed` frame."""
        named = [{"request_id": each} if isinstance(each, str) else each for each in requests]
        await self.send(type="resume", requests=named, **fields)
        return await self.next("resumed")

    async def is_silent(self) -> bool:
        """Whether nothing came before the answer to a ping."""
        answer = await self.ask(type="ping", id="quiet?")
        return bool(answer["type"] == "pong")

    async def rest(self) -> list[dict[str, Any]]:
        """What comes until the socket is closed."""
        frames: list[dict[str, Any]] = []
        with contextlib.suppress(ConnectionClosed):
            while True:
                frames.append(orjson.loads(await self.socket.recv()))
        return frames

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

    async def row(self, request_id: str, user: str = "ann", tenant: str = "t1") -> Job:
        job = await self.requests.get(ids.job_id(tenant, user, request_id))
        assert job is not None
        return job

    async def bound(self, connection_id: str) -> Connection | None:
        """The row of a connection."""
        return await self.store.connections.get(connection_id)

    async def running(self, client: Client, request_id: str, percentage: float | None = None) -> Job:
        """A job that this client submitted and a worker runs, whose newest progress is stored."""
        answer = await client.ask(action="queued", id=request_id)
        job = await self.claimed(answer["job_id"])
        if percentage is None:
            return job
        return await self.requests.save_progress(job, Progress(percentage), 1)

    async def store_chunks(self, job: Job, indexes: Sequence[int]) -> None:
        chunks = [Chunk(index, job.attempt, index + 2, b"%d" % index) for index in indexes]
        await self.store.events.append_events(job, chunks)

    async def knows_worker(self, session: str) -> None:
        """Until this node has read that worker's row."""
        workers = self.node.fillings._owners._peers
        await until(lambda: workers.endpoint(session) is not None)

    async def knows_node(self, other: "House") -> None:
        """Until this node has read the other one's row."""
        nodes = self.node.dispatch._submits._bindings._nodes
        await until(lambda: nodes.endpoint(other.node.node_id) is not None)

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


@dataclass
class Ear:
    """What a worker session hears of nodes, and answers to `flush`: so many chunks for each job that it runs."""

    emitted: dict[str, int] = field(default_factory=dict)
    heard: list[dict[str, Any]] = field(default_factory=list)  # jobs that were named by `flush`, as they were named
    calls: int = 0

    async def flush(self, request: Request) -> Response:
        jobs = orjson.loads(await request.body())["jobs"]
        self.calls += 1
        self.heard += jobs
        await self.before_answer()
        chunks = {job["id"]: self.emitted[job["id"]] for job in jobs if job["id"] in self.emitted}
        return Response(orjson.dumps({"chunks": chunks}))

    async def before_answer(self) -> None:
        """What a test wants to happen between a node's read and the answer."""


@asynccontextmanager
async def listening_worker(node: House, ear: Ear, session: str = "worker1") -> AsyncIterator[None]:
    """A worker session that takes no jobs and is known to the node."""
    listener = Listener("127.0.0.1", 0, setting="the port of a test")
    app = Starlette(routes=[Route("/internal/flush", ear.flush, methods=["POST"])])
    with closing(listener):
        serving = asyncio.create_task(listener.serve(app), name="ear")
        try:
            await node.store.nodes.beat(WORKER, session, {"endpoint": f"http://127.0.0.1:{listener.port}"})
            await node.knows_worker(session)
            yield
        finally:
            serving.cancel()
            await asyncio.wait([serving])


def outcome(job: Job, result: bytes = b'"done"') -> bytes:
    return frames.complete(Place(job.client_id, job.job_id, job.attempt, job.seq), result, 0, 0.0)
