"""The parts of a node, and the one place where they meet."""

import asyncio
from collections.abc import Callable, Collection

from app.binding import Bindings
from app.calls import Calls
from app.cancel import Cancels
from app.catalog import Catalog
from app.catchup import CatchUps
from app.dispatch import Dispatch
from app.filling import Fillings
from app.handshake import Doorkeeper
from app.health import Health
from app.hints import Hints
from app.history import History
from app.hub import Hub
from app.inbox import Inboxes
from app.kinds import kinds
from app.limits import Allowances, Seats
from app.listeners import Listeners
from app.node import Node
from app.overview import Overviews
from app.owners import Owners
from app.presence import Presences, Roster
from app.promotion import Promotions
from app.proxies import Proxies
from app.quota import Quota
from app.registrar import Registrar
from app.renewal import Renewals
from app.reread import Rereads
from app.rest.states import States
from app.resume import ADMITTED, Resumes
from app.revocations import Revocations
from app.submit import Submits
from app.tasks import Tasks
from app.watch import Watches
from streamer import intake
from streamer.cluster import address
from streamer.cluster.calls import Caller
from streamer.cluster.courier import Courier
from streamer.cluster.lanes import Lanes
from streamer.cluster.presence import Presence
from streamer.cluster.registry import APP, WORKER, Peers
from streamer.jobs import ids
from streamer.operations import Operator
from streamer.registry import Registry
from streamer.settings import Settings
from streamer.store.base import Store
from streamer.telemetry.metrics import Metrics


class Parts:
    """A node with what it stands on; made on its loop. Nothing runs as yet: see `lifespan`.

    `on_death`: told when a part of it ended by an error; it stops the process.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        metrics: Metrics,
        store: Store,
        caller: Caller,
        internal_port: int,
        on_death: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self.kinds = kinds(is_traced=settings.tracing)
        node_id = ids.boot_id()
        self._tasks = tasks = Tasks(on_death)
        self._hub = hub = Hub(metrics)
        self.nodes, self.workers = Peers(store.nodes, APP), Peers(store.nodes, WORKER)
        self.courier = Courier(
            lanes=Lanes(caller.post, metrics), peers=self.nodes, connections=store.connections, metrics=metrics
        )
        self._owners = Owners(caller.post, self.workers, tasks, node_id)
        self._fillings = Fillings(requests=store.requests, events=store.events, owners=self._owners, tasks=tasks)
        self.rereads = Rereads(hub, store.requests, self._fillings)
        self.hints = Hints(caller.post, self.workers, tasks, metrics, is_on="direct" in settings.wakeups)
        self._registrar = Registrar(store.connections, node_id, hub)
        self._gate = asyncio.Semaphore(ADMITTED)
        self.bindings = Bindings(
            node_id=node_id,
            hub=hub,
            registrar=self._registrar,
            nodes=self.nodes,
            post=caller.post,
            tasks=tasks,
            gate=self._gate,
        )
        self._listeners = Listeners(
            node_id=node_id,
            hub=hub,
            registrar=self._registrar,
            requests=store.requests,
            connections=store.connections,
            subscriptions=store.subscriptions,
        )
        self._catchups = CatchUps(
            requests=store.requests, owners=self._owners, fillings=self._fillings, rereads=self.rereads
        )
        self._inboxes = Inboxes(inbox=store.inbox, requests=store.requests)
        self._submits = self._made_submits()
        self._promotions = Promotions(self._submits, tasks)
        self._inline = self.kinds.inline(
            registry,
            self._promotions,
            timeout_s=settings.inline_timeout_s,
            progress_live_ms=settings.progress_live_ms,
            submitter=self.kinds.submitter(registry, store.requests, intake.Policy.of(settings), tell=self.hints.tell),
        )
        host = address.advertised(settings.advertise_host, settings.internal_host)
        self.revocations = Revocations(store.revocations, hub)
        doorkeeper = self.kinds.doorkeeper(settings, self.revocations.is_revoked)
        roster = Roster(Presence(store.connections, self.nodes))
        overviews = Overviews(
            store.admin, self.nodes, self.workers, _queues(registry), dead_after_s=settings.session_dead_s
        )
        self.node = Node(
            node_id=node_id,
            settings=settings,
            metrics=metrics,
            health=Health(),
            hub=hub,
            seats=Seats(settings),
            allowances=Allowances(settings),
            proxies=Proxies(settings.trusted_proxies),
            doorkeeper=doorkeeper,
            dispatch=self._dispatch(registry, metrics, doorkeeper),
            inline=self._inline,
            registrar=self._registrar,
            listeners=self._listeners,
            fillings=self._fillings,
            inboxes=self._inboxes,
            presences=Presences(doorkeeper, roster),
            roster=roster,
            catalog=Catalog(registry),
            overviews=overviews,
            history=History(overviews),
            operator=Operator(store, caller.post),
            states=States(store.requests),
            calls=Calls(),
            tasks=tasks,
            internal_url=address.endpoint(host, internal_port),
        )

    def _dispatch(self, registry: Registry, metrics: Metrics, doorkeeper: Doorkeeper) -> Dispatch:
        watches = self._watches()
        return Dispatch(
            registry=registry,
            metrics=metrics,
            inline=self._inline,
            submits=self._submits,
            cancels=self._cancels(),
            resumes=self._resumes(),
            watches=watches,
            inboxes=self._inboxes,
            renewals=Renewals(doorkeeper, watches),
            max_in_flight=self._settings.max_in_flight,
            threshold_s=self._settings.async_threshold_s,
        )

    def _made_submits(self) -> Submits:
        settings, requests = self._settings, self._store.requests
        return self.kinds.submits(
            requests=requests,
            registrar=self._registrar,
            bindings=self.bindings,
            listeners=self._listeners,
            quota=Quota(requests, self._tasks, settings.max_queued_per_tenant, lambda: len(self.nodes.rows())),
            hints=self.hints,
            catchups=self._catchups,
            rereads=self.rereads,
            tasks=self._tasks,
            policy=intake.Policy.of(settings),
        )

    def _cancels(self) -> Cancels:
        return Cancels(
            inline=self._inline,
            promotions=self._promotions,
            requests=self._store.requests,
            subscriptions=self._store.subscriptions,
            hub=self._hub,
            courier=self.courier,
            owners=self._owners,
        )

    def _resumes(self) -> Resumes:
        return Resumes(
            requests=self._store.requests,
            events=self._store.events,
            bindings=self.bindings,
            listeners=self._listeners,
            catchups=self._catchups,
            gate=self._gate,
            ttl_ms=self._settings.ttl_s * 1000,
        )

    def _watches(self) -> Watches:
        return Watches(
            requests=self._store.requests,
            bindings=self.bindings,
            listeners=self._listeners,
            catchups=self._catchups,
        )


def _queues(registry: Registry) -> Collection[str]:
    return {registry.get(name).queue for name in registry.names()}
