"""`DELETE /v1/requests/{id}`: stops a request."""

import time
from typing import Final

import orjson
from starlette.responses import Response

from app.rest import answers
from app.rest.call import Call, ask
from app.rest.reply import Reply, kind_of
from streamer.protocol import frames

ANSWERS: Final = frozenset({"cancelling", "complete", "response", "error"})


async def cancel(call: Call) -> Response:
    """202 where it is being stopped, 200 with its outcome where it has one."""
    principal = await call.admit()
    request_id = await call.node.states.request_id(principal, call.name)
    reply = Reply(ANSWERS)
    connection = call.connection(principal, reply.send, speaks_v1=True, listens=False)
    frame = {"type": "cancel", "request_id": request_id}
    with call.node.calls.open():
        await ask(call.node, connection, orjson.dumps(frame).decode())
    told = reply.first.result() if reply.first.done() else None
    if told is None:  # it runs inline, and its answer says so to whoever asked for it
        return answers.of(202, frames.stopping(request_id, time.time()))
    return _answer(told)


def _answer(told: str) -> Response:
    kind = kind_of(told)
    if kind == "cancelling":
        return answers.of(202, told)
    if kind == "error" and not orjson.loads(told)["final"]:
        return answers.of_error(told)
    return answers.of(200, told)
