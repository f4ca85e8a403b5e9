"""What there is under `/v1/admin`, for operators: they see, and do, across all tenants."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from app import overview
from app.rest import account, answers
from app.rest.call import Call, Handler
from app.rest.states import limit_of
from streamer.auth import MAX_NAME_BYTES, Principal
from streamer.errors import InvalidMessage, NotFound
from streamer.jobs import ids
from streamer.jobs.model import Job
from streamer.store.admin import Standing
from streamer.store.base import Connection
from streamer.telemetry import audit

READ: Final = "admin:read"
WRITE: Final = "admin:write"
DEFAULT_LIMIT: Final = 50
MAX_LOOKED: Final = 1_000
"""Entries of the queue index that are looked at for one page of those jobs that are wanted."""

# --- looking ------------------------------------------------------------------------------------------------


async def show_overview(call: Call) -> Response:
    await call.admit(READ)
    return answers.of_value(overview.shown(await call.node.overviews.now()))


async def show_history(call: Call) -> Response:
    await call.admit(READ)
    return answers.of_value(call.node.history.shown())


async def list_jobs(call: Call) -> Response:
    await call.admit(READ)
    query = call.request.query_params
    standing, queue = _standing(query.get("status")), _queue(query.get("queue"))
    limit = limit_of(query.get("limit"), DEFAULT_LIMIT)
    wanted = {"action": query.get("action") or None, "tenant": _name(call, "tenant")}
    try:
        page = await call.node.operator.store.admin.list_jobs(
            queue, standing, limit=limit, cursor=query.get("cursor") or None, max_looked=MAX_LOOKED, **wanted
        )
    except ValueError as error:
        raise InvalidMessage(str(error)) from error
    return answers.of_value({"jobs": [account.values(job) for job in page.jobs], "cursor": page.cursor})


async def show_job(call: Call) -> Response:
    await call.admit(READ)
    return answers.of_value(account.values(await _job(call)))


async def list_connections(call: Call) -> Response:
    await call.admit(READ)
    tenant, user = _name(call, "tenant"), _name(call, "user")
    if tenant is None:
        raise InvalidMessage("tenant must be named.")
    rows = await call.node.roster.connections(tenant, user)
    return answers.of_value({"connections": [_connection(row) for row in rows]})


# --- doing --------------------------------------------------------------------------------------------------


async def redrive(call: Call) -> Response:
    """Runs a dead letter again, as a new job."""
    principal = await call.admit(WRITE)
    try:
        again = await call.node.operator.redrive(_job_id(call))
    except NotFound:
        raise NotFound("There is no dead letter of this id, or its payload is gone.") from None
    _record("redrive", principal, again, redrive_of=call.name)
    return answers.of_value({"job_id": again.job_id})


async def cancel(call: Call) -> Response:
    """In the name of its user."""
    principal = await call.admit(WRITE)
    row, _ = await call.node.operator.cancel((await _job(call)).job_id)
    _record("cancel", principal, row)
    return answers.of_value({"status": row.status.value if row.finished else "CANCELLING"})


async def purge(call: Call) -> Response:
    """Deletes a dead letter for good."""
    principal = await call.admit(WRITE)
    _record("purge", principal, await call.node.operator.store.admin.purge(_job_id(call)))
    return Response(status_code=204, headers=answers.HEADERS)


def _record(verb: audit.Verb, principal: Principal, job: Job, **about: Any) -> None:
    whose = {"owner": job.user, "owner_tenant": job.tenant, "action": job.action, "job_id": job.job_id}
    audit.record(verb, principal, result=job.status, **whose, **about)


OPERATORS: Final[Mapping[str, Mapping[str, Handler]]] = {
    "/v1/admin/overview": {"GET": show_overview},
    "/v1/admin/history": {"GET": show_history},
    "/v1/admin/connections": {"GET": list_connections},
    "/v1/admin/jobs": {"GET": list_jobs},
    "/v1/admin/jobs/{id}": {"GET": show_job, "DELETE": purge},
    "/v1/admin/jobs/{id}/redrive": {"POST": redrive},
    "/v1/admin/jobs/{id}/cancel": {"POST": cancel},
}

# --- what is asked ------------------------------------------------------------------------------------------


async def _job(call: Call) -> Job:
    try:
        return await call.node.operator.job(_job_id(call))
    except NotFound:
        raise NotFound("There is no job of this id.") from None


def _job_id(call: Call) -> str:
    if not ids.JOB_ID.fullmatch(call.name):
        raise InvalidMessage("A job id has 32 hexadecimal digits.")
    return call.name


def _standing(given: str | None) -> Standing:
    if not given:
        return Standing.RUNNING
    if given not in list(Standing):
        raise InvalidMessage(f"status must be one of {', '.join(Standing)}.")
    return Standing(given)


def _queue(given: str | None) -> str:
    if not given:
        return overview.DEFAULT
    if not ids.QUEUE.fullmatch(given):
        raise InvalidMessage("A queue's name has 1 to 64 letters, digits or . _ -")
    return given


def _name(call: Call, field: str) -> str | None:
    given = call.request.query_params.get(field) or None
    if given is not None and len(given.encode()) > MAX_NAME_BYTES:
        raise InvalidMessage(f"{field} has at most {MAX_NAME_BYTES} bytes.")
    return given


def _connection(row: Connection) -> dict[str, Any]:
    return {
        "connection_id": row.connection_id,
        "node_id": row.node_id,
        "tenant": row.tenant,
        "user": row.user,
        "connected_at": row.connected_ms / 1000,
        "source_ip": row.source_ip,
        "user_agent": row.user_agent,
    }
