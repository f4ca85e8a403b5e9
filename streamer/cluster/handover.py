"""What a leaving worker gives back is offered to another one, so that it need not wait for a sweep."""

import random
from collections.abc import Awaitable, Callable
from typing import Final

import orjson
import structlog

from streamer.cluster.calls import Gone, Unreachable
from streamer.cluster.registry import Peers
from streamer.jobs.model import Job
from streamer.store.base import NodeRow

log = structlog.get_logger()

HINT: Final = "/internal/hint"

Post = Callable[[str, str, bytes], Awaitable[bytes]]
"""`Caller.post`: endpoint, path, body."""


class Handover:
    """Hints at one other worker that has room, as its row last said. A hint may get lost: the sweep is the net."""

    def __init__(self, post: Post, workers: Peers, own_id: Callable[[], str]) -> None:
        self._post = post
        self._workers = workers
        self._own_id = own_id

    async def offer(self, row: Job, wakeup: str = "direct") -> None:
        """Tells one of those that may run it, and by which wake-up it was found; never raises."""
        able = [worker for worker in self._workers.rows() if self._suits(worker, row) and _takes(worker, wakeup)]
        if not able:
            return
        endpoint = random.choice(able).info["endpoint"]  # noqa: S311  # spreads load, guards nothing
        hint = {"id": row.job_id, "queue": row.queue, "action": row.action, "wakeup": wakeup}
        try:
            await self._post(endpoint, HINT, orjson.dumps({"jobs": [hint]}))
        except (Unreachable, Gone) as error:
            log.debug("job_not_handed_over", job_id=row.job_id, reason=str(error))

    def _suits(self, worker: NodeRow, row: Job) -> bool:
        info = worker.info
        return (
            worker.node_id != self._own_id()
            and not info.get("draining")
            and info.get("free", 0) > 0
            and bool(info.get("endpoint"))
            and row.queue in info.get("queues", ())
            and row.action in info.get("actions", ())
        )


def _takes(worker: NodeRow, wakeup: str) -> bool:
    """Whether it takes hints of this way; one of an older version says nothing of it."""
    return wakeup in worker.info.get("wakeups", (wakeup,))
