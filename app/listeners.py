"""Who hears of a job: connections of this node are added to its listeners, and taken off again when they are gone."""

import asyncio
from collections.abc import Callable, Collection
from itertools import islice
from typing import Final

import structlog

from app.chore import Chore
from app.connection import Connection
from app.hub import Hub
from app.registrar import Registrar
from streamer.errors import StoreUnavailable
from streamer.jobs.model import MAX_ROUTES, Job
from streamer.store.base import ConnectionStore, RequestQueue, RoutesFull, Subscription, SubscriptionStore, now_ms

log = structlog.get_logger()

SUBSCRIPTION_LIFE_MS: Final = 7 * 86_400_000
REROUTES: Final = 3
"""Tries to find room among a job's routes while others change them too."""
MAX_LEFT: Final = 10_000
"""Subscriptions that wait to be removed; beyond that the oldest are left to expire by themselves."""
REMOVED_AT_ONCE: Final = 100

Listening = tuple[str, str]
"""A job and a connection that listens to it by a subscription."""


class Listeners:
    """A job's row has room for eight connections; whoever comes later, or watches somebody else's job, has a row of
    its own: a subscription.

    Subscriptions of sockets that are gone are removed in the background, again and again while the store is away.
    """

    def __init__(
        self,
        *,
        node_id: str,
        hub: Hub,
        registrar: Registrar,
        requests: RequestQueue,
        connections: ConnectionStore,
        subscriptions: SubscriptionStore,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._node_id = node_id
        self._hub = hub
        self._registrar = registrar
        self._requests = requests
        self._connections = connections
        self._subscriptions = subscriptions
        self._clock = clock
        self._subscribed: dict[Connection, set[str]] = {}  # connection -> the jobs to which it has subscriptions
        self._left: dict[Listening, int] = {}  # to be removed -> reconnects of the connection; in order
        self._chore = Chore(self.flush, self._not_removed)

    # --- to listen ------------------------------------------------------------------------------------------

    async def attach(self, connection: Connection, job: Job) -> Job:
        """A connection of the job's user listens from now on. The returned row is the newest, or the outcome.

        Raises NotFound, StoreUnavailable.
        """
        principal = connection.principal
        self._registrar.keep(connection.connection_id)
        try:
            return await self._requests.attach(job.job_id, principal.tenant, principal.user, connection.connection_id)
        except RoutesFull as full:
            return await self.squeeze_in(connection, full.job)

    async def squeeze_in(self, connection: Connection, job: Job) -> Job:
        """Like `attach`, where the row is full: in the place of connections that are gone, else by a subscription."""
        for _ in range(REROUTES):
            alive = await self._alive(job.routes)
            if len(alive) >= MAX_ROUTES:
                break
            job = await self._requests.reroute(job, alive | {connection.connection_id})
            if job.finished or connection.connection_id in job.routes:
                return job
        return await self.subscribe(connection, job)

    async def subscribe(self, connection: Connection, job: Job) -> Job:
        """The connection listens by a subscription, which is gone again where the job is finished.

        The returned row is the newest, or the outcome. Raises NotFound, StoreUnavailable.
        """
        self._registrar.keep(connection.connection_id)
        self._note(connection, job.job_id)
        try:
            await self._subscriptions.subscribe(self._row(connection, job))
            job = await self._requests.watched(job)
        except BaseException:  # it may have been stored all the same
            self._remove_later(connection, job.job_id)
            raise
        finally:
            if self._hub.get(connection.connection_id) is not connection:  # its socket went meanwhile
                self.leave(connection)
        if job.finished:
            self._remove_later(connection, job.job_id)
        return job

    async def _alive(self, routes: frozenset[str]) -> frozenset[str]:
        here = frozenset(route for route in routes if self._hub.get(route) is not None)
        elsewhere = await self._connections.get_many(routes - here)
        return here | elsewhere.keys()

    def _row(self, connection: Connection, job: Job) -> Subscription:
        principal = connection.principal
        return Subscription(
            job_id=job.job_id,
            connection_id=connection.connection_id,
            tenant=principal.tenant,
            user=principal.user,
            expires_ms=self._clock() + SUBSCRIPTION_LIFE_MS,
        )

    def _note(self, connection: Connection, job_id: str) -> None:
        """What it does not wait for any more was removed by whoever sent the outcome."""
        awaited = self._subscribed.get(connection, set()) & connection.trackers.keys()
        self._subscribed[connection] = awaited | {job_id}
        self._left.pop((job_id, connection.connection_id), None)

    # --- to cease -------------------------------------------------------------------------------------------

    async def unsubscribe(self, connection: Connection, job_id: str) -> Job | None:
        """Its subscription is gone. Returns the row of the job, where there is one. Raises StoreUnavailable."""
        try:
            await self._subscriptions.unsubscribe(job_id, [connection.connection_id])
        except BaseException:
            self._remove_later(connection, job_id)
            raise
        job = await self._requests.get(job_id)
        return None if job is None else await self._requests.watched(job)

    def leave(self, connection: Connection) -> None:
        """The socket is gone, and with it what it waits for: its subscriptions are removed in the background."""
        for job_id in self._subscribed.pop(connection, set()) & connection.trackers.keys():
            self._remove_later(connection, job_id)

    def forget(self, connection: Connection) -> None:
        """The connection has moved, and has its subscriptions still."""
        self._subscribed.pop(connection, None)

    async def run(self) -> None:
        """Works for ever."""
        await self._chore.run()

    async def flush(self) -> None:
        """Removes everything that waits. Raises StoreUnavailable; what was not removed then waits on."""
        while batch := dict(islice(self._left.items(), REMOVED_AT_ONCE)):
            rows = await self._connections.get_many({connection_id for _, connection_id in batch})
            moved = {
                name
                for (_, name), reconnects in batch.items()
                if name in rows and (rows[name].node_id, rows[name].reconnects) != (self._node_id, reconnects)
            }
            await self._remove([listening for listening in batch if listening[1] not in moved])
            for listening in batch:
                self._left.pop(listening, None)

    async def _remove(self, batch: Collection[Listening]) -> None:
        removals = (self._subscriptions.unsubscribe(job_id, [name]) for job_id, name in batch)
        results = await asyncio.gather(*removals, return_exceptions=True)
        for result in results:
            if result is not None:
                raise result

    def _remove_later(self, connection: Connection, job_id: str) -> None:
        self._left[job_id, connection.connection_id] = connection.reconnects
        if len(self._left) > MAX_LEFT:
            del self._left[next(iter(self._left))]
        self._chore.due()

    def _not_removed(self, error: StoreUnavailable) -> None:
        log.info("subscriptions_not_removed", waiting=len(self._left), reason=str(error))
