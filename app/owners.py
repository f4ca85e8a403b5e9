"""What a node tells the worker that runs a job. Best effort: a worker reads its rows itself now and then."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import orjson
import structlog

from app.tasks import Tasks
from streamer.cluster.calls import Gone, Unreachable
from streamer.cluster.registry import Peers
from streamer.jobs.model import Job, Progress, Status

log = structlog.get_logger()

CANCEL: Final = "/internal/cancel"
FLUSH: Final = "/internal/flush"

Post = Callable[[str, str, bytes], Awaitable[bytes]]
"""`Caller.post`: endpoint, path, body."""


class Told(NamedTuple):
    """What the owner of a running job says of it: how many chunks its attempt has stored by now (None: its log is
    behind), and the newest progress that it has sent, with its attempt and number (None: there was none)."""

    chunks: int | None
    progress: Progress | None = None
    attempt: int = 0
    seq: int = 0

    def onto(self, row: Job) -> Job:
        """The row, with the progress that is not written yet: it is sent more often."""
        if self.progress is None or (self.attempt, Status.PROCESSING) != (row.attempt, row.status):
            return row
        return replace(row, progress=self.progress, seq=max(row.seq, self.seq))


class Owners:
    """Tells the worker sessions that own jobs. Never raises; a call takes as long as `post` does, at most 1 s."""

    def __init__(self, post: Post, peers: Peers, tasks: Tasks, node_id: str) -> None:
        self._post = post
        self._peers = peers
        self._tasks = tasks
        self._node_id = node_id

    def cancel(self, job: Job) -> None:
        """Its cancel was requested: stop now, do not wait until you read it. Sent in the background."""
        endpoint = self._endpoint(job.owner)
        if endpoint is not None:
            self._tasks.start(self._cancel(endpoint, job), f"cancel {job.job_id}")

    async def flush(self, jobs: Sequence[Job], connection_id: str, *, watched: bool = False) -> Mapping[str, Told]:
        """Send what comes of these running jobs to this connection of this node too, and store what came so far.

        One call per worker. Returns, by job id, what its owner says of it; jobs whose owner did not answer, or does
        not run them any more, are left out. `watched`: somebody subscribed to them, too.
        """
        by_owner: defaultdict[str, list[Job]] = defaultdict(list)
        for job in jobs:
            endpoint = self._endpoint(job.owner)
            if endpoint is not None:
                by_owner[endpoint].append(job)
        calls = [self._flush(endpoint, owned, connection_id, watched) for endpoint, owned in by_owner.items()]
        answers = await asyncio.gather(*calls)
        return {job_id: told for answer in answers for job_id, told in answer.items()}

    async def _flush(self, endpoint: str, jobs: Sequence[Job], connection_id: str, watched: bool) -> Mapping[str, Told]:
        about = {"routes": [connection_id], "at": {connection_id: self._node_id}, "watched": watched}
        answer = await self._tell(endpoint, FLUSH, {"jobs": [{"id": job.job_id, **about} for job in jobs]})
        return {} if answer is None else _told(answer)

    async def _cancel(self, endpoint: str, job: Job) -> None:
        await self._tell(endpoint, CANCEL, {"jobs": [job.job_id]})

    def _endpoint(self, owner: str | None) -> str | None:
        return None if owner is None else self._peers.endpoint(owner)

    async def _tell(self, endpoint: str, path: str, message: Mapping[str, Any]) -> bytes | None:
        try:
            return await self._post(endpoint, path, orjson.dumps(message))
        except (Unreachable, Gone) as error:
            log.info("owner_not_told", endpoint=endpoint, path=path, reason=str(error))
            return None


def _told(answer: bytes) -> Mapping[str, Told]:
    try:
        said = orjson.loads(answer)
        chunks, newest = said["chunks"], said.get("progress", {})
        return {job_id: _of_job(chunks.get(job_id), newest.get(job_id)) for job_id in {**chunks, **newest}}
    except (ValueError, AttributeError, KeyError, TypeError):  # a worker of another version
        return {}


def _of_job(count: int | None, newest: Mapping[str, Any] | None) -> Told:
    chunks = None if count is None else int(count)
    if newest is None:
        return Told(chunks)
    progress = Progress(
        float(newest["percentage"]), str(newest["message"]), newest["metadata"], chunks=int(newest["chunks"])
    )
    return Told(chunks, progress, int(newest["attempt"]), int(newest["seq"]))
