"""`GET /v1/me` and `GET /v1/actions`: what the caller is, and what it may call."""

from starlette.responses import Response

from app.rest import answers
from app.rest.call import Call


async def me(call: Call) -> Response:
    principal = await call.admit()
    return answers.of_value(
        {
            "user": principal.user,
            "tenant": principal.tenant,
            "permissions": sorted(principal.permissions),
            "expires_at": principal.expires,
        }
    )


async def actions(call: Call) -> Response:
    principal = await call.admit()
    return answers.of_value({"actions": call.node.catalog.of(principal)})
