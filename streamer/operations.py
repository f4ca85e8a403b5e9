"""An operator at the store: what is changed there, and who is told of it. For commands, and for nodes."""

import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson

from streamer.cluster.audience import audience
from streamer.cluster.calls import Gone, Unreachable
from streamer.cluster.courier import Courier
from streamer.cluster.handover import Handover
from streamer.cluster.lanes import Lanes
from streamer.cluster.registry import APP, WORKER, Peers
from streamer.errors import NotFound, StoreUnavailable
from streamer.jobs.model import Job, Status
from streamer.protocol import frames
from streamer.store.base import Store
from streamer.telemetry.metrics import Metrics

CANCEL: Final = "/internal/cancel"
TELL_S: Final = 2.0
"""For frames to clients that wait."""

Post = Callable[[str, str, bytes], Coroutine[Any, Any, bytes]]
"""`Caller.post`: endpoint, path, body."""


class Operator:
    """`post` is None without the cluster's key pair: nobody is told then, and finds out later.

    What it tells is never vital: workers read their rows, nodes those of silent jobs, and sweeps find what is ready.
    """

    def __init__(self, store: Store, post: Post | None) -> None:
        self.store = store
        self._post = post

    async def job(self, job_id: str) -> Job:
        """Raises NotFound."""
        job = await self.store.requests.get(job_id)
        if job is None:
            raise NotFound
        return job

    async def cancel(self, job_id: str) -> tuple[Job, bool]:
        """Cancels it in its user's name. The row, and whether those whom it concerns were told. Raises NotFound."""
        before = await self.job(job_id)
        row = await self.store.requests.cancel(before.tenant, before.user, before.client_id)
        if row.status is Status.PROCESSING:
            return row, await self.stop([row])
        if row.status is Status.CANCELLED and not before.finished:
            await self._tell_outcome(row)
        return row, True

    async def redrive(self, job_id: str) -> Job:
        """The new job; a worker with room is told of it. Raises NotFound."""
        row = await self.store.requests.redrive(job_id)
        if self._post is not None and row.status is Status.PENDING:
            with contextlib.suppress(StoreUnavailable):
                await Handover(self._post, await self._peers(WORKER), own_id=str).offer(row)
        return row

    async def stop(self, jobs: Sequence[Job]) -> bool:
        """Tells the owners of running attempts to stop them now. False: not all could be told."""
        if self._post is None or not jobs:
            return not jobs
        try:
            workers = await self._peers(WORKER)
        except StoreUnavailable:
            return False
        by_owner: defaultdict[str | None, list[str]] = defaultdict(list)
        for job in jobs:
            by_owner[workers.endpoint(job.owner or "")].append(job.job_id)
        told = [await self._stop(self._post, endpoint, job_ids) for endpoint, job_ids in by_owner.items()]
        return all(told)

    async def _stop(self, post: Post, endpoint: str | None, job_ids: Sequence[str]) -> bool:
        if endpoint is None:
            return False
        try:
            await post(endpoint, CANCEL, orjson.dumps({"jobs": job_ids}))
        except (Unreachable, Gone):
            return False
        return True

    async def _tell_outcome(self, row: Job) -> None:
        """It waited, so no worker tells those who listen."""
        listeners = await audience(row, self.store.subscriptions)
        if self._post is None or not listeners:
            return
        with contextlib.suppress(StoreUnavailable):
            async with self._courier(self._post) as courier:
                frame = frames.outcome(row, None, time.time())
                courier.send(row, "outcome", row.seq, frame, to=listeners, chunks=row.chunks)
            await self.store.subscriptions.unsubscribe(row.job_id, listeners - row.routes)

    @asynccontextmanager
    async def _courier(self, post: Post) -> AsyncIterator[Courier]:
        """Sends what it was given before it is closed."""
        metrics, peers = Metrics(), await self._peers(APP)
        lanes = Lanes(post, metrics)
        courier = Courier(lanes=lanes, peers=peers, connections=self.store.connections, metrics=metrics)
        try:
            yield courier
            await courier.flush(TELL_S)
        finally:
            await courier.close()

    async def _peers(self, kind: str) -> Peers:
        peers = Peers(self.store.nodes, kind)
        await peers.refresh()
        return peers
