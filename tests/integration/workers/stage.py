"""A store, a node that records what it is sent, and workers with short times: what the tests here play on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from aiohttp import web

from streamer.cluster.calls import Caller
from streamer.cluster.registry import APP, Beat
from streamer.cluster.sigv4 import Call, Key, verify
from streamer.definitions import Action, define
from streamer.jobs import ids
from streamer.jobs.model import Job, Submission
from streamer.registry import Registry
from streamer.settings import Settings
from streamer.store.base import Store, now_ms
from streamer.telemetry.metrics import Metrics
from tests.support.until import PATIENT_S, until
from workers.worker import Worker

KEY: Final = Key("test", "secret")
SHORT: Final[dict[str, Any]] = {
    "cluster_key_id": KEY.key_id,
    "cluster_secret": KEY.secret,
    "worker_port": 0,
    "worker_slots": 10,
    "retry_base_s": 0.02,
    "session_beat_s": 0.1,
    "session_dead_s": 0.6,
    "sweep_s": 0.1,
    "grace_s": 5.0,
    "progress_live_ms": 10,
    "progress_persist_ms": 50,
}


@dataclass(frozen=True, slots=True)
class Delivered:
    """One frame, as a node receives it."""

    meta: dict[str, Any]
    frame: dict[str, Any]


class FakeNode:
    """The internal port of a node: keeps what is delivered; `gone` are connections that it says it does not have."""

    def __init__(self) -> None:
        self.node_id = ids.boot_id()
        self.delivered: list[Delivered] = []
        self.gone: set[str] = set()
        self.endpoint = ""

    def connection(self) -> str:
        return ids.connection_id(self.node_id)

    def frames(self, job: Job) -> list[dict[str, Any]]:
        return [each.frame for each in self.delivered if each.meta["j"] == job.job_id]

    def types(self, job: Job) -> list[str]:
        return [frame["type"] for frame in self.frames(job)]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["FakeNode"]:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/internal/deliver", self._deliver)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()

    async def _deliver(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        verify([KEY], Call(method="POST", path=request.raw_path, headers=headers, body=body), now_ms() / 1000)
        lines = [orjson.loads(line) for line in body.split(b"\n")]
        to: Any = None  # where a frame says nothing: those of the frame before
        for meta, frame in zip(lines[::2], lines[1::2], strict=True):
            to = meta.get("c", to)
            self.delivered.append(Delivered({**meta, "c": to}, frame))
        return web.json_response({"gone": sorted(self.gone)})


@dataclass
class Stage:
    """One test's world."""

    store: Store
    node: FakeNode
    settings: dict[str, Any]
    actions: list[Action] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)
    running: dict[Worker, asyncio.Task[None]] = field(default_factory=dict)

    def action(self, name: str, function: Callable[..., Any], **options: Any) -> None:
        self.actions.append(define(name, function, **options))

    def made(self, *, store: Store | None = None, **changes: Any) -> Worker:
        """A worker that does not run yet."""
        settings = Settings(**{**self.settings, **changes})
        registry = Registry(self.actions, threads=settings.threads)
        return Worker(settings, registry, store or self.store, self.metrics)

    def start(self, worker: Worker) -> Worker:
        self.running[worker] = asyncio.create_task(worker.run(), name="worker under test")
        return worker

    async def worker(self, **options: Any) -> Worker:
        worker = self.start(self.made(**options))
        await until(lambda: worker.is_ready or self.running[worker].done())
        assert worker.is_ready, self.running[worker].exception()
        return worker

    async def stop(self, worker: Worker) -> None:
        worker.stop()
        await self.running.pop(worker)

    async def close(self) -> None:
        for worker in list(self.running):
            worker.stop()
        await asyncio.gather(*self.running.values())

    async def submit(self, action: str, payload: Any = None, *, client_id: str = "r1", **fields: Any) -> Job:
        body = orjson.dumps(payload)
        given: dict[str, Any] = {
            "tenant": "acme",
            "user": "ann",
            "client_id": client_id,
            "action": action,
            "payload": body,
            "payload_hash": ids.payload_hash(action, payload),
            "start_within_ms": 60_000,
            "connection": self.node.connection(),
            **fields,
        }
        return (await self.store.requests.enqueue(Submission(**given))).job

    async def row(self, job: Job) -> Job:
        row = await self.store.requests.get(job.job_id)
        assert row is not None
        return row

    async def finished(self, job: Job) -> Job:
        """The row, once it has an outcome that was delivered too."""

        async def outcome() -> Job | None:
            row = await self.row(job)
            return row if row.finished and {"complete", "error"} & set(self.node.types(job)) else None

        return await until(outcome)

    async def call(self, worker: Worker, verb: str, jobs: Sequence[Any]) -> Any:
        async with Caller(KEY, connect_s=PATIENT_S, total_s=PATIENT_S) as caller:
            return orjson.loads(await caller.post(worker.endpoint, f"/internal/{verb}", orjson.dumps({"jobs": jobs})))

    async def hint(self, worker: Worker, job: Job) -> Any:
        return await self.call(worker, "hint", [{"id": job.job_id, "queue": job.queue, "action": job.action}])

    @asynccontextmanager
    async def node_alive(self) -> AsyncIterator[None]:
        """The node's row is there, and beats."""
        info = {"endpoint": self.node.endpoint, "draining": False}
        beat = Beat(self.store.nodes, APP, self.node.node_id, lambda: info, interval_s=0.1)
        await beat.once()
        beating = asyncio.create_task(beat.run(), name="beat of the fake node")
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.wait([beating])

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"streamer_{name}", labels) or 0.0
