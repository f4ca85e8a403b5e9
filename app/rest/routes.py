"""What there is under `/v1`, and the seam to ASGI: every error is an `error` frame."""

import time
from collections.abc import Mapping, Sequence

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from app import faults
from app.handshake import Refused
from app.rest import answers
from app.rest.about import actions, me
from app.rest.call import Call, Handler
from app.rest.cancel import cancel
from app.rest.dev_tokens import issue
from app.rest.operating import OPERATORS
from app.rest.stream import follow
from app.rest.submit import submit
from streamer.errors import Forbidden, InvalidMessage, NotFound, PayloadTooLarge, StreamerError, Unauthorized
from streamer.telemetry import audit


async def state(call: Call) -> Response:
    principal = await call.admit()
    return answers.of_value(await call.node.states.state(principal, call.name))


async def listing(call: Call) -> Response:
    principal = await call.admit()
    return answers.of_value(await call.node.states.page(principal, call.request.query_params))


async def presence(call: Call) -> Response:
    return answers.of_value(await call.node.presences.listed(call.hello, call.request.query_params.get("user")))


class Methods:
    """The ASGI application of one path."""

    def __init__(self, path: str, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        counter = scope["state"]["node"].metrics.http_requests

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                counter.labels(self._path, f"{message['status'] // 100}xx").inc()
            await send(message)

        answer = await self._answer(Call(scope, receive, counted))
        if answer is not None:
            await answer(scope, receive, counted)

    async def _answer(self, call: Call) -> Response | None:
        handler = self._handlers.get(call.request.method)
        if handler is None:
            return self._no_method(call.request.method)
        name = call.request.path_params.get("id")
        try:
            return await handler(call)
        except Refused as refused:
            if isinstance(refused.error, Unauthorized | Forbidden):
                audit.record("refused", None, result=refused.error.code, frame="call", source_ip=call.hello.address)
            return answers.turned_away(refused, time.time())
        except ClientDisconnect:  # in the middle of its body: nobody is told
            return None
        except PayloadTooLarge as error:  # the rest of its body is on its way, and nobody reads it
            answer = answers.refusal(error, None, time.time())
            answer.headers["connection"] = "close"
            return answer
        except Exception as error:  # noqa: BLE001  # the seam to the engine
            return _refusal(faults.told(error), name)

    def _no_method(self, method: str) -> Response:
        if not self._handlers:
            return answers.refusal(NotFound("There is nothing at this path."), None, time.time())
        allowed = ", ".join(self._handlers)
        answer = answers.refusal(InvalidMessage(f"{self._path} takes {allowed}, not {method}."), None, time.time())
        answer.status_code = 405
        answer.headers["allow"] = allowed
        return answer


def routes() -> Sequence[Route]:
    """All that begins with `/v1/`."""
    table: Mapping[str, Mapping[str, Handler]] = {
        "/v1/requests": {"POST": submit, "GET": listing},
        "/v1/requests/{id}": {"GET": state, "DELETE": cancel},
        "/v1/requests/{id}/events": {"GET": follow},
        "/v1/presence": {"GET": presence},
        "/v1/me": {"GET": me},
        "/v1/actions": {"GET": actions},
        "/v1/dev/tokens": {"POST": issue},
        **OPERATORS,
        "/v1/{path:path}": {},
    }
    return [Route(path, Methods(path, handlers)) for path, handlers in table.items()]


def _refusal(error: StreamerError, name: str | None) -> Response:
    request_id = error.request_id if isinstance(error, InvalidMessage) else name
    return answers.refusal(error, request_id, time.time())
