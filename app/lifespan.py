"""Putting a node together, and taking it apart: the one place where its parts meet."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any, Final

import structlog

from app import internal
from app.cancel import Cancels
from app.delivery import Deliveries
from app.dispatch import Dispatch
from app.handshake import Doorkeeper
from app.health import Health
from app.hints import Hints
from app.hub import Hub
from app.inline import Inline
from app.limits import Seats
from app.node import Node
from app.owners import Owners
from app.registrar import Registrar
from app.reread import Rereads
from app.submit import Policy, Submits
from app.tasks import Tasks
from streamer.cluster import address
from streamer.cluster.calls import Caller
from streamer.cluster.courier import Courier
from streamer.cluster.lanes import Lanes
from streamer.cluster.listener import Listener
from streamer.cluster.registry import APP, WORKER, Beat, Peers
from streamer.errors import StoreUnavailable
from streamer.jobs import ids
from streamer.process import cluster_keys, opened, reached
from streamer.registry import Registry
from streamer.settings import Settings
from streamer.store.base import Store
from streamer.telemetry.metrics import Metrics

log = structlog.get_logger()

GOODBYE_S: Final = 3.0
"""For telling the store that this node is gone; it finds out by itself otherwise."""
LAG_SAMPLE_S: Final = 1.0


@asynccontextmanager
async def running(settings: Settings, registry: Registry) -> AsyncIterator[Node]:
    """The life of a node, from opening its store to giving back its rows. Sockets are the ASGI server's part."""
    metrics = Metrics()
    keys = cluster_keys(settings)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(registry.running())
        store = await stack.enter_async_context(opened(settings, metrics))
        caller = await stack.enter_async_context(Caller(keys[0]))
        listener = Listener(settings.internal_host, settings.internal_port, setting="STREAMER_INTERNAL_PORT")
        stack.enter_context(contextlib.closing(listener))
        parts = Parts(settings, registry, metrics, store, caller, listener.port)
        stack.push_async_callback(parts.courier.close)
        stack.push_async_callback(parts.node.tasks.stop)
        parts.start()
        app = internal.application(parts.node, Deliveries(parts.node.hub, keys, metrics))
        parts.node.tasks.start(listener.serve(app), "internal listener")
        stack.push_async_callback(parts.leave)
        yield parts.node


class Parts:
    """A node with what it stands on; made on its loop."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        metrics: Metrics,
        store: Store,
        caller: Caller,
        internal_port: int,
    ) -> None:
        self._settings = settings
        self._store = store
        node_id = ids.boot_id()
        tasks = Tasks(_stop_process)
        hub = Hub(metrics)
        self.nodes, self.workers = Peers(store.nodes, APP), Peers(store.nodes, WORKER)
        self.courier = Courier(
            lanes=Lanes(caller.post, metrics), peers=self.nodes, connections=store.connections, metrics=metrics
        )
        self.rereads = Rereads(hub, store.requests)
        owners = Owners(caller.post, self.workers, tasks)
        inline = Inline(registry, timeout_s=settings.inline_timeout_s, progress_live_ms=settings.progress_live_ms)
        self.hints = Hints(caller.post, self.workers, tasks, metrics)
        submits = Submits(
            requests=store.requests,
            connections=store.connections,
            hub=hub,
            hints=self.hints,
            owners=owners,
            rereads=self.rereads,
            policy=Policy(max_retries=settings.max_retries, start_within_ms=settings.queue_timeout_s * 1000),
        )
        cancels = Cancels(inline=inline, requests=store.requests, hub=hub, courier=self.courier, owners=owners)
        host = address.advertised(settings.advertise_host, settings.internal_host)
        self.node = Node(
            node_id=node_id,
            settings=settings,
            metrics=metrics,
            health=Health(),
            hub=hub,
            seats=Seats(settings),
            doorkeeper=Doorkeeper(settings),
            dispatch=Dispatch(
                registry=registry,
                metrics=metrics,
                inline=inline,
                submits=submits,
                cancels=cancels,
                max_in_flight=settings.max_in_flight,
                threshold_s=settings.async_threshold_s,
            ),
            inline=inline,
            registrar=Registrar(store.connections, node_id, hub),
            tasks=tasks,
            internal_url=address.endpoint(host, internal_port),
        )
        self._beat = Beat(store.nodes, APP, node_id, self._info, interval_s=settings.session_beat_s)

    def start(self) -> None:
        """Starts everything that goes on by itself."""
        start, beat_s = self.node.tasks.start, self._settings.session_beat_s
        start(self._take_part(), "beat")
        start(_kept_fresh(self.workers, beat_s, self.hints.workers_seen), "peers worker")
        start(_kept_fresh(self.nodes, self._settings.session_dead_s / 2), "peers app")
        start(self.rereads.run(), "rereads")
        start(self.node.registrar.run(), "registrar")
        start(self.node.registrar.keep_alive(), "connection pings")
        start(_watch_loop(self.node), "every second")

    async def leave(self) -> None:
        """Takes this node's rows away, for as long as that is quick."""
        for connection in self.node.hub:
            self.node.registrar.remove(connection.connection_id)
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self.node.registrar.flush()
                await self._beat.remove()
                await self.courier.flush(GOODBYE_S)
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("node_row_left", node=self.node.node_id, reason=str(error))

    async def _take_part(self) -> None:
        await reached(self._settings, self._store)
        self.node.health.store_was_seen = True
        log.info("node_ready", node=self.node.node_id)
        await self._beat.run()

    def _info(self) -> Mapping[str, Any]:
        return {
            "endpoint": self.node.internal_url,
            "version": version("streamer"),
            "draining": self.node.health.is_draining,
            "connections": len(self.node.hub),
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
