"""A node from its start to its end."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any, Final

import structlog
from starlette.applications import Starlette

from app import internal, signed
from app.age import Ages
from app.delivery import MAX_BODY_BYTES
from app.management import Management
from app.node import Node
from app.parts import Parts
from streamer.cluster.calls import Caller
from streamer.cluster.clock import ClockWatch
from streamer.cluster.listener import Listener
from streamer.cluster.registry import APP, Beat, Peers
from streamer.cluster.sigv4 import Key
from streamer.errors import StoreUnavailable
from streamer.process import cluster_keys, opened, reached
from streamer.registry import Registry
from streamer.settings import Settings
from streamer.store.base import Store
from streamer.telemetry import tracing
from streamer.telemetry.emf import Emf
from streamer.telemetry.metrics import Metrics

log = structlog.get_logger()

GOODBYE_S: Final = 3.0
"""For telling the store that this node is gone; it finds out by itself otherwise."""
LAG_SAMPLE_S: Final = 1.0
MAX_CALL_BYTES: Final = 1 << 20
"""Of a call between nodes that carries no frames."""


@asynccontextmanager
async def running(settings: Settings, registry: Registry) -> AsyncIterator[Node]:
    """The life of a node, from opening its store to giving back its rows. Sockets are the ASGI server's part."""
    if settings.dev_tokens:
        log.warning("dev_tokens_on")
    metrics = Metrics()
    keys = cluster_keys(settings)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(tracing.exporting("streamer-app", is_on=settings.tracing))
        await stack.enter_async_context(registry.running())
        store = await stack.enter_async_context(opened(settings, metrics))
        caller = await stack.enter_async_context(Caller(keys[0]))
        listener = Listener(settings.internal_host, settings.internal_port, setting="STREAMER_INTERNAL_PORT")
        stack.enter_context(contextlib.closing(listener))
        parts = Parts(settings, registry, metrics, store, caller, listener.port, _stop_process)
        stack.push_async_callback(parts.courier.close)
        stack.push_async_callback(parts.node.tasks.stop)
        life = Life(parts, settings, store)
        life.start()
        parts.node.tasks.start(listener.serve(_inside(parts, keys, store, caller)), "internal listener")
        stack.push_async_callback(life.leave)
        yield parts.node


def _inside(parts: Parts, keys: Sequence[Key], store: Store, caller: Caller) -> Starlette:
    """What the node answers to other processes."""
    node = parts.node
    management = Management(
        node_id=node.node_id,
        hub=node.hub,
        keys=keys,
        connections=store.connections,
        nodes=parts.nodes,
        pass_on=caller.call,
    )
    let_go = signed.call(keys, parts.bindings.let_go, max_bytes=MAX_CALL_BYTES)
    deliver = signed.call(keys, parts.kinds.deliveries(node.hub, node.metrics).hand_over, max_bytes=MAX_BODY_BYTES)
    return internal.application(node, management, deliver=deliver, let_go=let_go)


class Life:
    """What a node does by itself from its start to its end."""

    def __init__(self, parts: Parts, settings: Settings, store: Store) -> None:
        self._parts = parts
        self._node = parts.node
        self._settings = settings
        self._store = store
        self._beat = Beat(store.nodes, APP, self._node.node_id, self._info, interval_s=settings.session_beat_s)

    def start(self) -> None:
        """Starts everything that goes on by itself."""
        start, beat_s = self._node.tasks.start, self._settings.session_beat_s
        start(self._take_part(), "beat")
        start(self._node.doorkeeper.keep_keys(), "keys")
        start(_kept_fresh(self._parts.workers, beat_s, self._workers_seen), "peers worker")
        start(_kept_fresh(self._parts.nodes, self._settings.session_dead_s / 2), "peers app")
        start(self._parts.revocations.run(beat_s), "revocations")
        start(self._parts.rereads.run(), "rereads")
        start(ClockWatch(lambda: self._store.clock_offset_s, self._node.metrics).run(beat_s), "clock")
        start(self._node.registrar.run(), "registrar")
        start(self._node.registrar.keep_alive(), "connection pings")
        start(self._node.listeners.run(), "listeners")
        start(_watch_loop(self._node), "every second")
        if self._settings.emf:
            emf = Emf(self._node.metrics, "streamer-app", self._node.node_id)
            start(emf.run(self._settings.emf_s), "emf")
        if max_age_s := self._settings.max_connection_age_s:
            start(Ages(self._node.hub, self._node.health, max_age_s).run(), "connection ages")

    async def leave(self) -> None:
        """Takes this node's rows away, for as long as that is quick."""
        for connection in self._node.hub:
            self._node.registrar.remove(connection.connection_id)
            self._node.listeners.leave(connection)
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self._node.registrar.flush()
                await self._node.listeners.flush()
                await self._beat.remove()
                await self._parts.courier.flush(GOODBYE_S)
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("node_row_left", node=self._node.node_id, reason=str(error))

    async def _take_part(self) -> None:
        await reached(self._settings, self._store)
        with contextlib.suppress(StoreUnavailable):  # it answered just now; else they are read with the next beat
            await self._parts.revocations.refresh()
        await self._beat.once()  # a node that serves can be found by the others
        self._node.health.store_was_seen = True
        log.info("node_ready", node=self._node.node_id)
        if self._settings.console:
            self._node.tasks.start(self._node.history.run(), "history")
        await self._beat.run()

    def _workers_seen(self) -> None:
        for row in self._parts.workers.rows():
            self._store.turns.learn(row.info)
        self._parts.hints.workers_seen()

    def _info(self) -> Mapping[str, Any]:
        return {
            "endpoint": self._node.internal_url,
            "version": version("streamer"),
            "draining": self._node.health.is_draining,
            "connections": len(self._node.hub),
        }


async def _kept_fresh(peers: Peers, interval_s: float, seen: Callable[[], None] = lambda: None) -> None:
    """Reads the rows of a kind again and again; `seen` is told each time that it could."""
    while True:
        with contextlib.suppress(StoreUnavailable):  # the beat says so; the rows that we have may still be right
            await peers.refresh()
            seen()
        await asyncio.sleep(interval_s)


async def _watch_loop(node: Node) -> None:
    """Once a second: by how much the loop is late, and what was answered meanwhile."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_SAMPLE_S
        await asyncio.sleep(LAG_SAMPLE_S)
        node.health.loop_lag_s = lag_s = max(0.0, loop.time() - due)
        node.metrics.loop_lag_seconds.observe(lag_s)
        node.dispatch.settle()


def _stop_process() -> None:
    """A part is missing: leave as on SIGTERM, by the drain, and let somebody start us anew."""
    signal.raise_signal(signal.SIGTERM)
