"""The engines that the contract runs on, and one test's corner of an open store."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from streamer.jobs import ids
from streamer.jobs.dispatch import Kind
from streamer.jobs.model import Entry, Job, Status, Submission
from streamer.store.base import Store
from streamer.store.engine import Rows
from streamer.store.open import open_store
from tests.support import index, jobs
from tests.support.jobs import Clock


@dataclass(frozen=True, slots=True)
class Engine:
    """Where a test may open stores; all of one engine value see the same rows."""

    name: str
    url: str
    table_prefix: str = "streamer_"
    environment: Mapping[str, str] = field(default_factory=dict)  # the AWS SDK's variables

    def open(self, **options: Any) -> AbstractAsyncContextManager[Store]:
        return open_store(self.url, table_prefix=self.table_prefix, **options)


@dataclass(slots=True)
class Scene:
    """A store with a tenant, a user and a queue that no other test uses."""

    store: Store
    clock: Clock
    tenant: str = field(default_factory=lambda: f"t-{ids.nonce()[:8]}")
    user: str = field(default_factory=lambda: f"u-{ids.nonce()[:8]}")
    queue: str = field(default_factory=lambda: f"q-{ids.nonce()[:8]}")

    @property
    def rows(self) -> Rows:
        return index.rows_of(self.store)

    def job_id(self, client_id: str) -> str:
        return ids.job_id(self.tenant, self.user, client_id)

    def submission(self, client_id: str = "r1", **fields: Any) -> Submission:
        mine = {"tenant": self.tenant, "user": self.user, "queue": self.queue, "client_id": client_id}
        return jobs.submission(**{**mine, **fields})

    async def submit(self, client_id: str = "r1", **fields: Any) -> Job:
        return (await self.store.requests.enqueue(self.submission(client_id, **fields))).job

    async def claim(self, job: Job, session: str = "session-a") -> Job:
        claimed = await self.store.requests.claim(job.job_id, job.queue, session)
        assert claimed is not None, "the job was not to be had"
        assert claimed.status is Status.PROCESSING
        return claimed

    async def running(self, client_id: str = "r1", session: str = "session-a", **fields: Any) -> Job:
        return await self.claim(await self.submit(client_id, **fields), session)

    async def row(self, job: Job) -> Job:
        present = await self.store.requests.get(job.job_id)
        assert present is not None, "there is no row"
        return present

    async def index(self, kind: Kind) -> Mapping[str, Entry]:
        return await index.entries(self.store, kind, self.queue)

    async def cancel(self, job: Job) -> Job:
        return await self.store.requests.cancel(job.tenant, job.user, job.client_id)
