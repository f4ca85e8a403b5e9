"""`/@connections/{id}`: the AWS API Gateway Management API, by which other services push to a client.

boto3's `apigatewaymanagementapi` client works against it, with its typed errors: an error has the header
`x-amzn-ErrorType` and the body `{"message": ...}`. Source: Amazon API Gateway, "Use @connections commands in your
backend service". Any node takes a call, and passes it on to the node that holds the connection.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, Protocol

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.connection import Connection
from app.hub import Hub
from streamer.cluster import sigv4
from streamer.cluster.audience import born_on
from streamer.cluster.calls import Answer, Unreachable
from streamer.cluster.registry import Peers
from streamer.cluster.sigv4 import Call, Key
from streamer.errors import Forbidden, StoreUnavailable
from streamer.jobs.ids import CONNECTION_ID
from streamer.protocol.codes import Close
from streamer.store.base import ConnectionStore

log = structlog.get_logger()

MAX_DATA_BYTES: Final = 131_072
"""What `PostToConnection` takes at most, by its service model."""
MAX_BODY_BYTES: Final = 8 << 20
"""So much is read of what is too large: who is answered while it still writes sees a reset, not the answer."""
HOP: Final = "x-streamer-hop"
"""Marks a call that a node passed on; it goes no further."""
_PATHS: Final = ("/@connections/{connection_id:path}", "/{stage}/@connections/{connection_id:path}")
_METHODS: Final = ("POST", "GET", "DELETE")
_ERROR_TYPE: Final = "x-amzn-errortype"
_KEPT_HEADERS: Final = ("content-type", _ERROR_TYPE)
_REFUSALS: Final[Mapping[HTTPStatus, tuple[str, str]]] = {
    HTTPStatus.BAD_REQUEST: ("BadRequestException", "The data must be UTF-8 text."),
    HTTPStatus.FORBIDDEN: ("ForbiddenException", "The call is not signed with a key of this cluster."),
    HTTPStatus.GONE: ("GoneException", "There is no such connection, or not any more."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("PayloadTooLargeException", f"The data are over {MAX_DATA_BYTES} bytes."),
    HTTPStatus.TOO_MANY_REQUESTS: ("LimitExceededException", "The client reads too slowly."),
    HTTPStatus.SERVICE_UNAVAILABLE: ("ServiceUnavailableException", "It is not known where the connection is now."),
}


class PassOn(Protocol):
    """`Caller.call`."""

    async def __call__(
        self, endpoint: str, method: str, path: str, body: bytes, *, headers: Mapping[str, str]
    ) -> Answer: ...


class Management:
    """Serves the calls: here where the connection is here, else by the node that its row names."""

    def __init__(
        self,
        *,
        node_id: str,
        hub: Hub,
        keys: Sequence[Key],
        connections: ConnectionStore,
        nodes: Peers,
        pass_on: PassOn,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._node_id = node_id
        self._hub = hub
        self._keys = keys
        self._connections = connections
        self._nodes = nodes
        self._pass_on = pass_on
        self._clock = clock

    def routes(self) -> Sequence[Route]:
        """With and without a stage (`/prod`), which names nothing here."""
        return [Route(path, self.serve, methods=_METHODS) for path in _PATHS]

    async def serve(self, request: Request) -> Response:
        """Answers one call. Who has no key learns nothing but how large a call may be."""
        body = await _body(request)
        if body is None:
            return _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            sigv4.verify(self._keys, Call.received(request.scope, body), self._clock())
            return await self._answer(request, body)
        except Forbidden:
            return _refusal(HTTPStatus.FORBIDDEN)
        except StoreUnavailable:
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE)

    async def _answer(self, request: Request, body: bytes) -> Response:
        connection_id: str = request.path_params["connection_id"]
        connection = self._hub.get(connection_id)
        if connection is not None and not connection.outbox.closed:
            return await self._here(connection, request.method, body)
        if HOP in request.headers or not CONNECTION_ID.fullmatch(connection_id):
            return _refusal(HTTPStatus.GONE)
        return await self._elsewhere(connection_id, request.method, body)

    # --- here -----------------------------------------------------------------------------------------------

    async def _here(self, connection: Connection, method: str, body: bytes) -> Response:
        if method == "POST":
            return _posted(connection, body)
        if method == "DELETE":
            connection.outbox.close(Close.NORMAL, "closed by the service")
            return Response(status_code=HTTPStatus.NO_CONTENT)
        return await self._described(connection)

    async def _described(self, connection: Connection) -> Response:
        """From the row; of a connection whose row is still to be saved only its age is known here."""
        row = await self._connections.get(connection.connection_id)
        if row is not None:
            return _description(row.connected_ms, row.last_ping_ms, row.source_ip, row.user_agent)
        opened_ms = int((self._clock() - (time.monotonic() - connection.opened)) * 1000)
        return _description(opened_ms, opened_ms, "", "")

    # --- elsewhere ------------------------------------------------------------------------------------------

    async def _elsewhere(self, connection_id: str, method: str, body: bytes) -> Response:
        endpoint = await self._endpoint(connection_id)
        if endpoint is None:
            return _refusal(HTTPStatus.GONE)
        try:
            path = f"/@connections/{connection_id}"
            answer = await self._pass_on(endpoint, method, path, body, headers={HOP: "1"})
        except Unreachable as error:
            log.info("push_not_passed_on", connection=connection_id, reason=str(error))
            return await self._unreached(connection_id)
        kept = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
        return Response(answer.body, answer.status, kept)

    async def _unreached(self, connection_id: str) -> Response:
        """Gone with its node where that has left by now; else it is worth another call, there or elsewhere."""
        await self._nodes.refresh()
        is_gone = await self._endpoint(connection_id) is None
        return _refusal(HTTPStatus.GONE if is_gone else HTTPStatus.SERVICE_UNAVAILABLE)

    async def _endpoint(self, connection_id: str) -> str | None:
        """Of the node that holds the connection, by its row. One without a row may be so young that it is still to
        be saved: it is where it was born, or nowhere."""
        row = await self._connections.get(connection_id)
        node_id = born_on(connection_id) if row is None else row.node_id
        if node_id == self._node_id:
            return None
        if self._nodes.get(node_id) is None:
            await self._nodes.refresh()
        return self._nodes.endpoint(node_id)


def _posted(connection: Connection, data: bytes) -> Response:
    """Hands the data to the socket as one text frame, as they are."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return _refusal(HTTPStatus.BAD_REQUEST)
    if connection.outbox.is_full:
        return _refusal(HTTPStatus.TOO_MANY_REQUESTS)
    connection.outbox.put(data)
    return _refusal(HTTPStatus.GONE) if connection.outbox.closed else Response()


def _description(connected_ms: int, active_ms: int, source_ip: str, user_agent: str) -> Response:
    identity = {"sourceIp": source_ip, "userAgent": user_agent}
    return _json({"connectedAt": _instant(connected_ms), "lastActiveAt": _instant(active_ms), "identity": identity})


async def _body(request: Request) -> bytes | None:
    """The body, which the signature covers. None: it is too large."""
    body, size = bytearray(), 0
    async for part in request.stream():
        size += len(part)
        if size <= MAX_DATA_BYTES:
            body += part
        elif size > MAX_BODY_BYTES:
            break
    return bytes(body) if size <= MAX_DATA_BYTES else None


def _refusal(status: HTTPStatus) -> Response:
    kind, message = _REFUSALS[status]
    return _json({"message": message}, status, {_ERROR_TYPE: kind})


def _json(content: Any, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    body = orjson.dumps(content, option=orjson.OPT_UTC_Z)
    return Response(body, status, headers, media_type="application/json")


def _instant(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)
