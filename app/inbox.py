"""Outcomes that wait for their user, on whichever device that is, until one of them says that it has them."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from app import faults
from app.connection import Connection
from streamer.auth import Principal
from streamer.errors import StoreUnavailable
from streamer.jobs import ids
from streamer.protocol import frames
from streamer.protocol.messages import Ack
from streamer.store.base import Inbox, RequestQueue

log = structlog.get_logger()

READ_S: Final = 1.0
"""A client is greeted after so long at the latest; it then learns of its inbox by coming again."""
MAX_OFFERED: Final = 100
MAX_READ: Final = 1_000
"""Entries that are looked through for them: most may be of requests that still run."""


class Inboxes:
    """What a client is offered when it comes in, and `ack`, by which it is offered no more."""

    def __init__(self, *, inbox: Inbox, requests: RequestQueue, read_s: float = READ_S) -> None:
        self._inbox = inbox
        self._requests = requests
        self._read_s = read_s

    async def offered(self, principal: Principal) -> Sequence[Mapping[str, Any]] | None:
        """The durable requests of this user that have ended, at most 100, as `welcome` lists them.

        None where the store did not say within a second.
        """
        try:
            async with asyncio.timeout(self._read_s):
                return await self._finished(principal)
        except (StoreUnavailable, TimeoutError) as error:
            log.info("inbox_not_read", tenant=principal.tenant, user=principal.user, reason=str(error) or "late")
            return None

    async def ack(self, connection: Connection, message: Ack) -> None:
        """Takes a request off; silent where it was off already."""
        with faults.answering(connection, message.request_id):
            tenant, user = connection.principal.tenant, connection.principal.user
            await self._inbox.remove(tenant, user, ids.job_id(tenant, user, message.request_id))

    async def _finished(self, principal: Principal) -> Sequence[Mapping[str, Any]]:
        job_ids = await self._inbox.list(principal.tenant, principal.user, MAX_READ)
        rows = await self._requests.get_many(job_ids) if job_ids else {}
        finished = [rows[job_id] for job_id in job_ids if job_id in rows and rows[job_id].finished]
        return [frames.inbox_entry(row) for row in finished[:MAX_OFFERED]]
