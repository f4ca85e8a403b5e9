"""The part of the OpenAPI document that is for operators and for the console."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from streamer.contract.parts import AUTH, BUSY, Json, answer, json_body, operation, param
from streamer.contract.schemas import ref
from streamer.jobs import ids
from streamer.store.admin import Standing

_READ: Final = {"x-streamer-permission": "admin:read"}
_WRITE: Final = {"x-streamer-permission": "admin:write"}


def _query(name: str, description: str, **schema: Any) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": {"type": "string", **schema}}


PARAMETERS: Final[Mapping[str, Json]] = {
    "job": {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "The id of a job, of any tenant.",
        "schema": {"type": "string", "pattern": f"^{ids.JOB_ID.pattern}$"},
    },
    "standing": _query(
        "status", "Where they stand.", enum=[standing.value for standing in Standing], default=Standing.RUNNING.value
    ),
    "queue": _query("queue", "Of this queue.", pattern=f"^{ids.QUEUE.pattern}$", default="default"),
    "action": _query("action", "Only of this action."),
    "tenant": _query("tenant", "Only of this tenant.", maxLength=256),
    "tenant-of-connections": {**_query("tenant", "Of this tenant.", minLength=1, maxLength=256), "required": True},
    "user-of-connections": _query("user", "Only of this user.", maxLength=256),
    "page": {
        "name": "limit",
        "in": "query",
        "description": "So many at most.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 50},
    },
}


def paths() -> Mapping[str, Json]:
    """By path and method."""
    job = {"parameters": [param("job")]}
    return {
        "/v1/me": {"get": _of_caller("me", "Who the caller is", "Me")},
        "/v1/actions": {"get": _of_caller("actions", "The actions that the caller may call", "ActionList")},
        "/v1/dev/tokens": {"post": _dev_token()},
        "/v1/admin/overview": {"get": _look("overview", "The whole installation at a glance", "Overview")},
        "/v1/admin/history": {"get": _look("history", "Its last fifteen minutes", "History")},
        "/v1/admin/connections": {"get": _connections()},
        "/v1/admin/jobs": {"get": _jobs()},
        "/v1/admin/jobs/{id}": {**job, "get": _job(), "delete": _purge()},
        "/v1/admin/jobs/{id}/redrive": {**job, "post": _change("redrive", "Run a dead letter again", "Redriven")},
        "/v1/admin/jobs/{id}/cancel": {**job, "post": _change("adminCancel", "Stop a job of anybody", "Stopped")},
    }


def _of_caller(name: str, summary: str, model: str) -> Json:
    return operation(name, summary, {200: answer(summary, ref(model))}, (*AUTH, *BUSY))


def _dev_token() -> Json:
    """It needs no token, and is not there unless STREAMER_DEV_TOKENS is set."""
    answers = {200: answer("It holds from now on", ref("IssuedToken"))}
    body = {"required": True, "content": json_body(ref("TokenWish"))}
    about = "A token for development, for whoever asks; only with `STREAMER_DEV_TOKENS`"
    return operation("devToken", about, answers, (400, 403, 404, 413, *BUSY), requestBody=body, security=[])


def _look(name: str, summary: str, model: str, refusals: Sequence[int] = (), **more: Any) -> Json:
    return operation(name, summary, {200: answer(summary, ref(model))}, (*AUTH, *refusals, *BUSY), **_READ, **more)


def _connections() -> Json:
    parameters = ["tenant-of-connections", "user-of-connections"]
    return _look("connections", "Who is connected", "AdminConnectionList", (400,), parameters=parameters)


def _jobs() -> Json:
    parameters = ["standing", "queue", "tenant", "action", "page", "cursor"]
    return _look("jobs", "Jobs by where they stand, of all tenants", "AdminJobList", (400,), parameters=parameters)


def _job() -> Json:
    return _look("job", "A job of anybody", "AdminJob", (400, 404))


def _change(name: str, summary: str, model: str) -> Json:
    answers = {200: answer("It is done, or will be", ref(model))}
    return operation(name, summary, answers, (400, *AUTH, 404, *BUSY), **_WRITE)


def _purge() -> Json:
    answers: dict[int, Json] = {204: {"description": "It is deleted."}}
    return operation("purge", "Delete a dead letter for good", answers, (400, *AUTH, 404, *BUSY), **_WRITE)
