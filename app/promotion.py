"""Inline runs that take longer than their action promised: stopped, and queued under the same id."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.answers import Key
from app.connection import Connection
from app.meters import Known
from app.submit import Submits
from app.tasks import Tasks
from streamer.auth import Principal
from streamer.protocol.messages import Request


@dataclass(slots=True)
class Promotion:
    """What becomes of a run that takes too long."""

    message: Request  # as it came first
    at: float  # monotonic seconds
    told: float = 0.0  # percentage that its askers were told of; written by the run

    def request(self, request_id: str, elapsed_s: float) -> Request | None:
        """What is to be queued, so long after it was asked for; None: its outcome is pointless by now."""
        options = self.message.options
        if options.expires_in_ms is not None:
            left_ms = options.expires_in_ms - int(elapsed_s * 1000)
            if left_ms <= 0:
                return None
            options = replace(options, expires_in_ms=left_ms)
        return replace(self.message, request_id=request_id, options=options)


class Promotions:
    """Queues requests whose run was stopped for that, and those that come again afterwards."""

    def __init__(self, submits: Submits, tasks: Tasks) -> None:
        self._submits = submits
        self._tasks = tasks
        self._under_way: dict[Key, asyncio.Future[None]] = {}  # done when the store has answered

    def queue(self, askers: Sequence[Connection], known: Known, message: Request, *, told: float = 0.0) -> None:
        """Acknowledges to each asker, or refuses; all are of one user. `message` has an id. `told`: the percentage that
        they know of already."""
        principal, request_id = askers[0].principal, message.request_id or ""
        key = principal.tenant, principal.user, request_id
        done = self._under_way[key] = asyncio.get_running_loop().create_future()
        done.add_done_callback(lambda _: self._forget(key, done))
        for asker in askers:
            asker.in_flight += 1
        self._tasks.start(self._submit(askers, known, message, told, done), f"promotion of {request_id}")

    async def settled(self, principal: Principal, request_id: str) -> None:
        """Waits while a request of this user is being queued."""
        under_way = self._under_way.get((principal.tenant, principal.user, request_id))
        if under_way is not None:
            await asyncio.wait([under_way])

    async def _submit(
        self, askers: Sequence[Connection], known: Known, message: Request, told: float, done: "asyncio.Future[None]"
    ) -> None:
        try:
            first, *others = askers
            await self._submits.submit(first, known, message, told=told)  # the others join what is stored by then
            await asyncio.gather(*(self._submits.submit(asker, known, message, told=told) for asker in others))
        finally:
            for asker in askers:
                asker.in_flight -= 1
            done.set_result(None)

    def _forget(self, key: Key, done: "asyncio.Future[None]") -> None:
        if self._under_way.get(key) is done:  # else it came again meanwhile
            del self._under_way[key]
