"""Jobs that no client asked for, but a handler, a back end or a schedule: checked, stored, and a worker told."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Future
from datetime import timedelta
from typing import Any, Final

import orjson
import structlog
from pydantic_core import to_jsonable_python

from streamer import intake
from streamer.cluster.lanes import report_death
from streamer.context import SubmitOptions
from streamer.definitions import seconds
from streamer.errors import StoreUnavailable
from streamer.intake import Policy, Terms
from streamer.jobs import ids
from streamer.jobs.model import Job, Priority, Status, Submission
from streamer.protocol.codec import MAX_DELAY_S, MAX_METADATA_BYTES
from streamer.registry import Registry
from streamer.store.back_off import BackOff
from streamer.store.base import Enqueued, RequestQueue

log = structlog.get_logger()

PATIENCE_S: Final = 30.0
"""How long a handler's submit is tried while the store is away; then its attempt fails, and is retried."""
MAX_OFFERS: Final = 16
"""Hints under way at a time. What comes beyond that is left to the sweep of the workers."""


class Submitter:
    """Made on the loop of its process. `tell` is given each stored job that waits, and never blocks; None: the stream
    and the sweep of the workers find it."""

    def __init__(
        self,
        registry: Registry,
        requests: RequestQueue,
        policy: Policy,
        *,
        tell: Callable[[Job], None] | None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._registry = registry
        self._requests = requests
        self._policy = policy
        self._tell = tell
        self._patience_s = patience_s
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def submit(
        self, tenant: str, user: str, client_id: str, action: str, payload: Any, options: SubmitOptions
    ) -> Awaitable[None] | Future[None]:
        """See `streamer.context.Submitter`."""
        submission = self.submission(tenant, user, client_id, action, payload, options)
        stored = self.store_patiently(submission)
        if threading.get_ident() == self._thread:
            return stored
        return asyncio.run_coroutine_threadsafe(_named(stored, f"submit {action} from a thread"), self._loop)

    def submission(
        self, tenant: str, user: str, client_id: str, action: str, payload: Any, options: SubmitOptions
    ) -> Submission:
        """The job as it is stored. Raises InvalidAction, InvalidPayload, and ValueError for what is not JSON, an id or
        an option that cannot be."""
        if not ids.CLIENT_ID.fullmatch(client_id):
            raise ValueError(f"an id has 1 to 128 letters, digits or . _ : ~ -, unlike {client_id!r}")
        known = self._registry.get(action)
        values = orjson.loads(_json(payload, "the payload"))
        known.validate(values)
        return intake.submission(known, tenant, user, client_id, values, _terms(options), self._policy)

    async def store(self, submission: Submission) -> Enqueued:
        """One try. Raises what `RequestQueue.enqueue` raises."""
        enqueued = await self._requests.enqueue(submission)
        job = enqueued.job
        if self._tell is not None and job.status is Status.PENDING:
            self._tell(job)  # also where it was there before: the answer to the write may have been lost
        return enqueued

    async def store_patiently(self, submission: Submission) -> None:
        """Tries again while the store is away, for `patience_s`."""
        back_off, until = BackOff(), self._loop.time() + self._patience_s
        while True:
            try:
                await self.store(submission)
            except StoreUnavailable:
                if self._loop.time() >= until:
                    raise
                await back_off.pause()
            else:
                return


class Offers:
    """Tells of jobs beside the work of whoever stored them. `offer` tells one worker; it never raises."""

    def __init__(self, offer: Callable[[Job], Awaitable[None]]) -> None:
        self._offer = offer
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, job: Job) -> None:
        """Never blocks. Of a delayed job nobody is told before it is due."""
        if job.due_ms is not None:
            return
        if len(self._tasks) >= MAX_OFFERS:
            log.debug("job_not_offered", job_id=job.job_id)
            return
        task = asyncio.create_task(self._tell(job), name=f"offer {job.job_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(report_death)

    async def close(self) -> None:
        """Waits for those under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _tell(self, job: Job) -> None:
        await self._offer(job)


async def _named(work: Coroutine[Any, Any, None], name: str) -> None:
    task = asyncio.current_task()
    if task is not None:
        task.set_name(name)
    await work


def _terms(options: SubmitOptions) -> Terms:
    if unknown := options.keys() - SubmitOptions.__annotations__.keys():
        raise TypeError(f"submit knows no option {', '.join(sorted(unknown))}")
    metadata = options.get("metadata")
    expires_in = options.get("expires_in")
    return Terms(
        metadata=None if metadata is None else _metadata(metadata),
        priority=Priority(options.get("priority", Priority.NORMAL)),
        delay_ms=_delay_ms(options.get("delay", 0)),
        expires_in_ms=None if expires_in is None else _expires_in_ms(expires_in),
        durable=options.get("durable", False),
    )


def _metadata(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    encoded = _json(dict(metadata), "metadata")
    if len(encoded) > MAX_METADATA_BYTES:
        raise ValueError(f"metadata is over {MAX_METADATA_BYTES} bytes of JSON")
    values: Mapping[str, Any] = orjson.loads(encoded)
    return values


def _delay_ms(delay: float | timedelta) -> int:
    if seconds(delay) > MAX_DELAY_S:
        raise ValueError(f"a delay is at most {MAX_DELAY_S} s, not {delay!r}")
    return int(seconds(delay) * 1000)


def _expires_in_ms(expires_in: float | timedelta) -> int:
    ms = int(seconds(expires_in) * 1000)
    if ms == 0:
        raise ValueError(f"expires_in is more than 0 s, not {expires_in!r}")
    return ms


def _json(value: Any, what: str) -> bytes:
    try:
        return orjson.dumps(value, default=to_jsonable_python)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"{what} must be JSON: {error}") from error
