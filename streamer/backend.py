"""Jobs from your back ends, which need no socket for it.

import streamer

async with streamer.submitting() as queue:
    submitted = await queue.submit("generate_report", {...}, tenant="acme", user="ann", id="report-2026-11")
    job = await queue.state("acme", "ann", "report-2026-11")
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, Unpack

from streamer.actions import load_registry
from streamer.cluster.calls import Caller
from streamer.cluster.handover import Handover
from streamer.cluster.registry import WORKER, Peers
from streamer.context import SubmitOptions, Submitted
from streamer.errors import StoreUnavailable
from streamer.intake import Policy
from streamer.jobs import ids
from streamer.jobs.model import Job
from streamer.process import cluster_keys
from streamer.schedules import identity
from streamer.settings import Settings
from streamer.store.base import RequestQueue, Turnstile
from streamer.store.open import open_store
from streamer.submitter import Offers, Submitter

PATIENCE_S: Final = 5.0
"""How long a submit is tried while the store is away: somebody may be waiting for your back end."""


class Workers:
    """The registry of workers as a back end reads it: when it is needed, at most once per `fresh_s`."""

    def __init__(
        self, peers: Peers, turns: Turnstile, *, fresh_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._peers = peers
        self._turns = turns
        self._fresh_s = fresh_s
        self._clock = clock
        self._stale_at = clock()
        self._one_at_a_time = asyncio.Lock()

    async def look(self) -> None:
        """Who is there, and how far they have come with their queues: that gives a new job its fair place."""
        async with self._one_at_a_time:
            if self._clock() < self._stale_at:
                return
            self._stale_at = self._clock() + self._fresh_s
            with contextlib.suppress(StoreUnavailable):  # the submit will say so
                for row in await self._peers.refresh():
                    self._turns.learn(row.info)


class Queue:
    """Starts jobs in the name of users, and looks at them. Made by `submitting`."""

    def __init__(self, submitter: Submitter, requests: RequestQueue, workers: Workers) -> None:
        self._submitter = submitter
        self._requests = requests
        self._workers = workers

    async def submit(
        self,
        action: str,
        payload: Any = None,
        /,
        *,
        tenant: str,
        user: str,
        id: str | None = None,  # noqa: A002  # the word of the protocol
        **options: Unpack[SubmitOptions],
    ) -> Submitted:
        """Stored when this returns, once per tenant, user and id; a worker is told. `id` None: a new one.

        After StoreUnavailable (tried for 5 s) the job may be there or not: submit again, with the same id. Raises also
        InvalidAction, InvalidPayload, ValueError for options, an id or a name that cannot be, DuplicateRequest where
        the id has another action or payload, PayloadTooLarge. Permissions and quotas are not asked.
        """
        client_id = ids.uuid7(time.time_ns() // 1_000_000) if id is None else id
        owner = identity(tenant, "a tenant"), identity(user, "a user")
        submission = self._submitter.submission(*owner, client_id, action, payload, options)
        await self._workers.look()
        await self._submitter.store_patiently(submission)
        return Submitted(client_id, ids.job_id(*owner, client_id))

    async def state(self, tenant: str, user: str, request_id: str) -> Job | None:
        """The job as of now; None where there is none, or its outcome was forgotten. Raises StoreUnavailable."""
        return await self._requests.get(ids.job_id(tenant, user, request_id))


@asynccontextmanager
async def submitting(settings: Settings | None = None) -> AsyncIterator[Queue]:
    """A `Queue` on the store, with the actions and the cluster key of these settings (None: those of the environment).

    Opening asks nobody, but imports the modules of STREAMER_ACTIONS, whose models check what is submitted. Closing
    waits for hints under way, 1 s at most. Raises ConfigurationError in a sentence.
    """
    chosen = settings or Settings.read()
    key = cluster_keys(chosen)[0]
    registry = load_registry(chosen.actions, threads=1)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(chosen.store, table_prefix=chosen.table_prefix))
        caller = await stack.enter_async_context(Caller(key))
        peers = Peers(store.nodes, WORKER)
        offers = Offers(Handover(caller.post, peers, lambda: "").offer)
        stack.push_async_callback(offers.close)
        submitter = Submitter(
            registry,
            store.requests,
            Policy.of(chosen),
            tell=offers.tell if "direct" in chosen.wakeups else None,
            patience_s=PATIENCE_S,
        )
        yield Queue(submitter, store.requests, Workers(peers, store.turns, fresh_s=chosen.session_beat_s))


async def submit(
    action: str,
    payload: Any = None,
    /,
    *,
    tenant: str,
    user: str,
    id: str | None = None,  # noqa: A002  # the word of the protocol
    **options: Unpack[SubmitOptions],
) -> Submitted:
    """One job, on settings of the environment; see `Queue.submit`. Who submits often keeps a `submitting` open.

    Raises ConfigurationError too.
    """
    async with submitting() as queue:
        return await queue.submit(action, payload, tenant=tenant, user=user, id=id, **options)
