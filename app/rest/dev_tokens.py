"""`POST /v1/dev/tokens`: whoever asks gets the token that he asks for. Only where STREAMER_DEV_TOKENS says so."""

import time
from typing import Final

import orjson
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from app.rest import answers
from app.rest.call import Call
from streamer.auth import MAX_NAME_BYTES, issue_for
from streamer.definitions import faults
from streamer.errors import InvalidMessage, InvalidPayload, NotFound
from streamer.protocol.schema.operators import TokenWish
from streamer.telemetry import audit

_WISH: Final = TypeAdapter(TokenWish)


async def issue(call: Call) -> Response:
    """Like a path that is not there, where it is off."""
    if not call.node.settings.issues_tokens:
        raise NotFound("There is nothing at this path.")
    call.node.doorkeeper.welcome(call.hello)
    wish = read(await call.body())
    expires_at = int(time.time()) + wish.ttl_s
    token = issue_for(
        call.node.settings,
        user=wish.user,
        tenant=wish.tenant,
        permissions=wish.permissions,
        expires_in_s=expires_at - time.time(),
    )
    who = {"owner": wish.user, "owner_tenant": wish.tenant, "permissions": wish.permissions}
    audit.record("token", None, result="issued", **who, source_ip=call.hello.address)
    return answers.of_value({"token": token, "expires_at": expires_at})


def read(body: bytes) -> TokenWish:
    """Raises InvalidMessage where it is no JSON, InvalidPayload where it says something else than what is asked."""
    try:
        wish = _WISH.validate_python(orjson.loads(body))
    except orjson.JSONDecodeError:
        raise InvalidMessage("The body is not valid JSON.") from None
    except ValidationError as error:
        raise InvalidPayload("The body is not valid.", details={"errors": faults(error)}) from error
    for field, name in (("user", wish.user), ("tenant", wish.tenant)):
        if len(name.encode()) > MAX_NAME_BYTES:
            fault = {"loc": [field], "msg": f"A name has at most {MAX_NAME_BYTES} bytes", "type": "string_too_long"}
            raise InvalidPayload("The body is not valid.", details={"errors": [fault]})
    return wish
