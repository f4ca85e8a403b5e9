"""`POST /v1/requests`: a `request` frame, and its answer."""

import asyncio
import time
from typing import Any, Final

import orjson
from starlette.responses import Response

from app import handshake
from app.rest import answers, wishes
from app.rest.call import Call, ask
from app.rest.reply import Reply, kind_of
from app.rest.wishes import Wishes
from streamer.auth import Principal
from streamer.errors import InvalidMessage
from streamer.protocol import codec

ANSWERS: Final = frozenset({"response", "acknowledgment", "error"})
PATH: Final = "/v1/requests"


async def submit(call: Call) -> Response:
    """The answer of an inline action, or the acknowledgment of a queued one; or, where the caller waits for it and it
    comes in time, its outcome."""
    started = time.monotonic()
    principal = await call.admit()
    wished = wishes.read(call.request.headers.getlist("prefer"))
    key = call.request.headers.get("idempotency-key")
    text = as_frame(await call.body(), key, queued=wished.respond_async)
    if wished.wait_s:
        return await _waited(call, principal, text, wished, started + wished.wait_s)
    reply = Reply(ANSWERS)
    connection = call.connection(principal, reply.send, speaks_v1=False, listens=False)
    with call.node.calls.open():  # a caller who goes away takes the request from nobody: as with a socket, it is run
        await ask(call.node, connection, text)
        return _answer(await reply.first, None, wished)


async def _waited(call: Call, principal: Principal, text: str, wished: Wishes, end: float) -> Response:
    reply = Reply(ANSWERS)
    connection = call.connection(principal, reply.send, speaks_v1=False, listens=True)
    with call.attending(connection):
        await ask(call.node, connection, text)
        first = await reply.first
        is_queued = first is not None and kind_of(first) == "acknowledgment"
        outcome = await _outcome(call, reply, end) if is_queued else None
    return _answer(first, outcome, wished)


async def _outcome(call: Call, reply: Reply, end: float) -> str | None:
    """None where it is late, the caller has gone away, or the node is leaving. `end`: monotonic seconds."""
    gone = asyncio.create_task(call.gone(), name="caller of a request")
    try:
        left_s = max(0.0, end - time.monotonic())
        awaited: list[asyncio.Future[Any]] = [gone, reply.outcome]
        await asyncio.wait(awaited, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
    return reply.outcome.result() if reply.outcome.done() else None


def _answer(first: str | None, outcome: str | None, wished: Wishes) -> Response:
    if first is None:
        raise handshake.draining()
    is_queued = kind_of(first) == "acknowledgment"
    headers = wished.applied(is_queued=is_queued, is_pending=is_queued and outcome is None)
    told = first if outcome is None else outcome
    if kind_of(told) == "error":
        answer = answers.of_error(told)
        answer.headers.update(headers)
        return answer
    if is_queued and outcome is None:
        headers["location"] = f"{PATH}/{orjson.loads(first)['request_id']}"
        return answers.of(202, told, headers)
    return answers.of(200, told, headers)


# --- the body -----------------------------------------------------------------------------------------------


def as_frame(body: bytes, key: str | None, *, queued: bool) -> str:
    """The frame that a body is, with the id of its `Idempotency-Key`, and queued where it names no mode.

    Raises InvalidMessage; what else is wrong with the frame is for its reader to say.
    """
    try:
        frame = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidMessage("The message is not valid JSON.") from None
    text = body.decode()
    if type(frame) is not dict:
        return text
    if frame.get("type") not in (None, "request"):
        raise InvalidMessage("Only frames of the type request can be posted.", request_id=codec.readable_id(frame))
    added = {**_id(frame, key), **(_queued(frame) if queued else {})}
    if not added:
        return text
    try:
        return orjson.dumps({**frame, **added}).decode()
    except TypeError:  # nested too deep to be written, and so to be read
        return text


def _id(frame: dict[str, Any], key: str | None) -> dict[str, Any]:
    if key is None:
        return {}
    key = key.strip().strip('"')  # as RFC 8941 writes a string
    given = frame.get("id")
    if given is None:
        given = frame.get("request_id")
    if given not in (None, key):
        raise InvalidMessage("id and Idempotency-Key differ.", request_id=codec.readable_id(frame))
    return {"id": key}


def _queued(frame: dict[str, Any]) -> dict[str, Any]:
    options = frame.get("options")
    if options is None:
        return {"options": {"mode": "queued"}}
    if type(options) is not dict or options.get("mode") is not None:
        return {}
    return {"options": {**options, "mode": "queued"}}
