"""What a node tells the worker that runs a job. Best effort: a worker reads its rows itself now and then."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
import structlog

from app.tasks import Tasks
from streamer.cluster.calls import Gone, Unreachable
from streamer.cluster.registry import Peers
from streamer.jobs.model import Job

log = structlog.get_logger()

CANCEL: Final = "/internal/cancel"
FLUSH: Final = "/internal/flush"

Post = Callable[[str, str, bytes], Awaitable[bytes]]
"""`Caller.post`: endpoint, path, body."""


class Owners:
    """Tells the worker sessions that own jobs; never blocks, never raises."""

    def __init__(self, post: Post, peers: Peers, tasks: Tasks) -> None:
        self._post = post
        self._peers = peers
        self._tasks = tasks

    def cancel(self, job: Job) -> None:
        """Its cancel was requested: stop now, do not wait until you read it."""
        self._tell(job, CANCEL, {"jobs": [job.job_id]})

    def flush(self, job: Job) -> None:
        """It has new routes: send what comes to these too, from now on."""
        self._tell(job, FLUSH, {"jobs": [{"id": job.job_id, "routes": sorted(job.routes)}]})

    def _tell(self, job: Job, path: str, message: dict[str, Any]) -> None:
        endpoint = None if job.owner is None else self._peers.endpoint(job.owner)
        if endpoint is not None:
            self._tasks.start(self._send(endpoint, path, message), f"owner {job.owner} {path}")

    async def _send(self, endpoint: str, path: str, message: dict[str, Any]) -> None:
        try:
            await self._post(endpoint, path, orjson.dumps(message))
        except (Unreachable, Gone) as error:
            log.info("owner_not_told", endpoint=endpoint, path=path, reason=str(error))
