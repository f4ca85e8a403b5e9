"""What is stored of requests, as callers see it."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from app.watch import may_see
from streamer.auth import Principal
from streamer.errors import InvalidMessage, NotFound
from streamer.jobs import ids
from streamer.jobs.model import WAITING, Failure, Job, Status
from streamer.protocol import frames
from streamer.store.base import RequestQueue
from streamer.telemetry import audit

DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 100
WHOLE: Final = 100.0


class States:
    """Finds requests by the id that their user gave them, or by their job id. Each verb may raise StoreUnavailable."""

    def __init__(self, requests: RequestQueue) -> None:
        self._requests = requests

    async def find(self, principal: Principal, name: str) -> Job:
        """The caller's own request of this id, else the job of this id, where the caller may see it.

        Raises NotFound, in the same words for what there is not and what is not for this caller; InvalidMessage.
        """
        if not ids.CLIENT_ID.fullmatch(name):
            raise InvalidMessage("An id has 1 to 128 letters, digits or . _ : ~ -")
        own = ids.job_id(principal.tenant, principal.user, name)
        rows = await self._requests.get_many({own, name} if ids.JOB_ID.fullmatch(name) else {own})
        row = rows.get(own) or rows.get(name)
        if row is None:
            raise NotFound
        if not may_see(principal, row):
            audit.record("refused", principal, result=NotFound.code, frame="call", job_id=row.job_id)
            raise NotFound
        if row.user != principal.user:
            audit.record("watch", principal, result=row.status, job_id=row.job_id, owner=row.user)
        return row

    async def request_id(self, principal: Principal, name: str) -> str:
        """The id that this user gave the request; `name` itself where there is no such job of this user."""
        if not ids.JOB_ID.fullmatch(name):
            return name
        try:
            row = await self.find(principal, name)
        except NotFound:
            return name
        return row.client_id if row.user == principal.user else name

    async def state(self, principal: Principal, name: str) -> Mapping[str, Any]:
        """All about one request. Raises as `find` does."""
        job = await self.find(principal, name)
        state = shown(job, principal)
        if job.status is not Status.COMPLETED:
            return state
        try:
            result = b"null" if job.result is None else await self._requests.load(job, job.result)
        except NotFound as gone:
            return {**state, "error": frames.failure(Failure(gone.code, gone.message))}
        return {**state, "result": orjson.Fragment(result)}

    async def page(self, principal: Principal, query: Mapping[str, str]) -> Mapping[str, Any]:
        """Some of the caller's requests, the newest first, without results. Raises InvalidMessage."""
        page = await self._requests.page_by_user(
            principal.tenant,
            principal.user,
            limit=limit_of(query.get("limit"), DEFAULT_LIMIT),
            status=_status(query.get("status")),
            cursor=query.get("cursor"),
        )
        return {"requests": [shown(job, principal) for job in page.jobs], "cursor": page.cursor}


def shown(job: Job, principal: Principal) -> dict[str, Any]:
    """What its row says. Somebody else's request goes by its job id."""
    progress = job.progress
    state: dict[str, Any] = {
        "request_id": job.client_id if job.user == principal.user else job.job_id,
        "job_id": job.job_id,
        "action": job.action,
        "status": job.status,
        "attempt": job.attempt,
        "seq": job.seq,
        "percentage": percentage(job),
        "message": "" if progress is None else progress.message,
        "chunks": chunks(job),
        "created_at": job.created_ms / 1000,
    }
    if job.expires_ms is not None:
        state["expires_at"] = job.expires_ms / 1000
    if job.status is Status.RETRYING and job.due_ms is not None:
        state["retry_at"] = job.due_ms / 1000
    if job.finished and job.status is not Status.COMPLETED:
        state["error"] = frames.failure(job.error or Failure("INTERNAL_ERROR", "Something went wrong on the server."))
    return state


def percentage(job: Job) -> float:
    """How far it is."""
    if job.status is Status.COMPLETED:
        return WHOLE
    return 0.0 if job.progress is None else job.progress.percentage


def chunks(job: Job) -> int:
    """Pieces of output that stand, as far as the row knows."""
    if job.finished:
        return job.chunks
    if job.status in WAITING or job.progress is None:
        return job.kept_chunks
    return job.progress.chunks


def limit_of(given: str | None, default: int) -> int:
    """Raises InvalidMessage where it is no number that is allowed."""
    if given is None:
        return default
    if not (given.isascii() and given.isdecimal() and len(given) < _LONG and 1 <= int(given) <= MAX_LIMIT):
        raise InvalidMessage(f"limit must be a number from 1 to {MAX_LIMIT}.")
    return int(given)


_LONG: Final = 10


def _status(given: str | None) -> Status | None:
    if given is None:
        return None
    if given not in list(Status):
        raise InvalidMessage(f"status must be one of {', '.join(Status)}.")
    return Status(given)
