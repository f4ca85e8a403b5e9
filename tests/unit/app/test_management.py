"""`/@connections` without sockets: what each call is answered, here and by the node that has the connection."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import unquote

import orjson
import pytest
from starlette.applications import Starlette

from app.hub import Hub
from app.management import HOP, MAX_BODY_BYTES, MAX_DATA_BYTES, Management
from app.outbox import MAX_FRAMES, Message, Outbox
from streamer.cluster import sigv4
from streamer.cluster.calls import Answer, Unreachable
from streamer.cluster.registry import APP, Peers
from streamer.cluster.sigv4 import Call, Key
from streamer.errors import StoreUnavailable
from streamer.store.base import Connection as Row
from streamer.store.base import ConnectionStore, NodeRow
from streamer.telemetry.metrics import Metrics
from tests.unit.app.parts import Rows, Socket, connection

HERE, THERE = "0" * 12, "f" * 12
MINE, THEIRS = f"{HERE}.{'x' * 22}", f"{THERE}.{'y' * 22}"
KEY = Key("inside", "shared")
NOW = 1_700_000_000.0
JSON = "application/json"


@dataclass
class Told:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        """Its type; every error has a message too."""
        assert orjson.loads(self.body)["message"]
        return self.headers["x-amzn-errortype"]


@dataclass
class Bindings:
    """The rows of connections that somebody set."""

    rows: dict[str, Row] = field(default_factory=dict)
    is_away: bool = False

    async def get(self, connection_id: str) -> Row | None:
        if self.is_away:
            raise StoreUnavailable
        return self.rows.get(connection_id)

    def bind(self, connection_id: str, node_id: str) -> None:
        self.rows[connection_id] = Row(
            connection_id=connection_id,
            node_id=node_id,
            tenant="t1",
            user="ann",
            connected_ms=1_000,
            last_ping_ms=62_500,
            source_ip="10.0.0.7",
            user_agent="browser",
        )


@dataclass
class Transport(Socket):
    """Takes what is sent, until it is full."""

    is_full: bool = False

    async def send(self, message: Message) -> None:
        await super().send(message)
        if self.is_full:
            await asyncio.Event().wait()


class Stage:
    """A node with one connection and one neighbour, which is what `passed` and `answer` say."""

    def __init__(self) -> None:
        self.bindings = Bindings()
        self.registry = Rows([NodeRow(APP, THERE, 1, {"endpoint": "http://there"})])
        self.passed: list[tuple[str, str, str, bytes, Mapping[str, str]]] = []
        self.answer: Answer | Unreachable = Answer(200, {}, b"")
        self.socket = Transport()
        self.connection = connection(self.socket, name=MINE)
        self.hub = Hub(Metrics())
        self.hub.add(self.connection)
        management = Management(
            node_id=HERE,
            hub=self.hub,
            keys=[KEY],
            connections=cast("ConnectionStore", self.bindings),
            nodes=Peers(self.registry, APP),
            pass_on=self.pass_on,
            clock=lambda: NOW,
        )
        self.app = Starlette(routes=management.routes())

    async def pass_on(
        self, endpoint: str, method: str, path: str, body: bytes, *, headers: Mapping[str, str]
    ) -> Answer:
        self.passed.append((endpoint, method, path, body, headers))
        if isinstance(self.answer, Unreachable):
            raise self.answer
        return self.answer

    async def call(self, method: str, path: str, body: bytes = b"", **headers: str) -> Told:
        """A signed call."""
        given = {"host": "node", **{name.replace("_", "-"): value for name, value in headers.items()}}
        signed = sigv4.sign(KEY, Call(method=method, path=path, headers=given, body=body), NOW)
        return await self.unsigned(method, path, body, {**given, **signed})

    async def unsigned(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Told:
        scope = {
            "type": "http",
            "method": method,
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body}

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Told(sent[0]["status"], answered, b"".join(part["body"] for part in sent[1:]))


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    opened = Stage()
    yield opened
    for each in opened.hub:
        each.outbox.abandon()


def to(connection_id: str) -> str:
    return f"/@connections/{connection_id}"


# --- here ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage_of_the_url", ["", "/prod"])
async def test_data_go_out_as_one_text_frame_as_they_are(stage: Stage, stage_of_the_url: str) -> None:
    answer = await stage.call("POST", stage_of_the_url + to(MINE), "not JSON: é".encode())
    assert (answer.status, answer.body) == (200, b"")
    assert stage.socket.sent == [{"type": "websocket.send", "text": "not JSON: é"}]


async def test_an_id_may_arrive_percent_encoded(stage: Stage) -> None:
    assert (await stage.call("POST", to(MINE.replace("x", "%78")), b"{}")).status == 200
    assert len(stage.socket.sent) == 1


async def test_data_that_are_no_text_are_refused(stage: Stage) -> None:
    answer = await stage.call("POST", to(MINE), b"\xff")
    assert (answer.status, answer.error) == (400, "BadRequestException")
    assert not stage.socket.sent


async def test_data_may_have_128_kib_and_no_more(stage: Stage) -> None:
    assert (await stage.call("POST", to(MINE), b"x" * MAX_DATA_BYTES)).status == 200
    answer = await stage.call("POST", to(MINE), b"x" * (MAX_DATA_BYTES + 1))
    assert (answer.status, answer.error) == (413, "PayloadTooLargeException")
    assert len(stage.socket.sent) == 1


async def test_reading_what_is_too_large_ends_somewhere(stage: Stage) -> None:
    assert (await stage.call("POST", to(MINE), b"x" * (MAX_BODY_BYTES + 1))).status == 413


async def test_a_client_that_does_not_read_is_told_to_the_caller_and_kept(stage: Stage) -> None:
    stage.socket.is_full = True
    answers = [await stage.call("POST", to(MINE), b"{}") for _ in range(1 + MAX_FRAMES + 2)]
    assert [answer.status for answer in answers] == [200] * (1 + MAX_FRAMES) + [429] * 2
    assert answers[-1].error == "LimitExceededException"
    assert not stage.connection.outbox.closed


async def test_a_socket_that_turns_out_to_be_gone_is_gone(stage: Stage) -> None:
    async def broken(_: Message) -> None:
        raise OSError

    stage.connection.outbox = Outbox(broken, MINE, lambda: None)
    answer = await stage.call("POST", to(MINE), b"{}")
    assert (answer.status, answer.error) == (410, "GoneException")


async def test_a_closed_connection_is_gone(stage: Stage) -> None:
    answer = await stage.call("DELETE", to(MINE))
    assert (answer.status, answer.body) == (204, b"")
    assert stage.socket.sent == [{"type": "websocket.close", "code": 1000, "reason": "closed by the service"}]
    stage.bindings.bind(MINE, HERE)
    for method in ("POST", "GET", "DELETE"):
        answer = await stage.call(method, to(MINE))
        assert (answer.status, answer.error) == (410, "GoneException")
    assert not stage.passed


async def test_a_connection_is_described_by_its_row(stage: Stage) -> None:
    stage.bindings.bind(MINE, HERE)
    answer = await stage.call("GET", to(MINE))
    assert (answer.status, answer.headers["content-type"]) == (200, JSON)
    assert orjson.loads(answer.body) == {
        "connectedAt": "1970-01-01T00:00:01Z",
        "lastActiveAt": "1970-01-01T00:01:02.500000Z",
        "identity": {"sourceIp": "10.0.0.7", "userAgent": "browser"},
    }


async def test_a_connection_whose_row_is_not_saved_yet_has_an_age(stage: Stage) -> None:
    stage.connection.opened -= 3_600
    described = orjson.loads((await stage.call("GET", to(MINE))).body)
    assert described["connectedAt"] == described["lastActiveAt"]
    assert described["connectedAt"].startswith("2023-11-14T21:13:")  # an hour before NOW
    assert described["identity"] == {"sourceIp": "", "userAgent": ""}


# --- elsewhere ----------------------------------------------------------------------------------------------


async def test_a_call_is_passed_on_and_the_answer_given_back_as_it_is(stage: Stage) -> None:
    stage.bindings.bind(THEIRS, THERE)
    body, error = b'{"message":"slow"}', {"x-amzn-errortype": "LimitExceededException", "content-type": JSON}
    stage.answer = Answer(429, {**error, "date": "today", "server": "there"}, body)
    answer = await stage.call("POST", "/prod" + to(THEIRS), b"data")
    assert stage.passed == [("http://there", "POST", to(THEIRS), b"data", {HOP: "1"})]
    assert (answer.status, answer.error, answer.body) == (429, "LimitExceededException", body)
    assert "server" not in answer.headers


async def test_the_row_says_where_a_connection_went(stage: Stage) -> None:
    moved = f"{'a' * 12}.{'z' * 22}"
    stage.bindings.bind(moved, THERE)
    assert (await stage.call("DELETE", to(moved))).status == 200
    assert stage.passed[0][:3] == ("http://there", "DELETE", to(moved))


async def test_a_connection_that_is_closing_here_may_have_gone_on_elsewhere(stage: Stage) -> None:
    stage.connection.outbox.close(1000)
    stage.bindings.bind(MINE, THERE)
    await stage.call("POST", to(MINE), b"{}")
    assert stage.passed[0][0] == "http://there"


async def test_one_without_a_row_is_looked_for_where_it_was_born(stage: Stage) -> None:
    """Its row is written behind its back, after it was welcomed."""
    assert (await stage.call("GET", to(THEIRS))).status == 200
    assert stage.passed[0][0] == "http://there"


async def test_a_connection_of_a_dead_node_is_gone(stage: Stage) -> None:
    stage.bindings.bind(THEIRS, THERE)
    stage.registry.rows.clear()
    answer = await stage.call("POST", to(THEIRS), b"{}")
    assert (answer.status, answer.error) == (410, "GoneException")


@pytest.mark.parametrize("name", [f"{HERE}.{'n' * 22}", "nonsense", "a%2Fb", "x" * 5_000, "", "%00"])
async def test_what_never_was_is_gone(stage: Stage, name: str) -> None:
    answer = await stage.call("POST", to(name), b"{}")
    assert (answer.status, answer.error) == (410, "GoneException")
    assert not stage.passed


async def test_a_call_that_was_passed_on_goes_no_further(stage: Stage) -> None:
    stage.bindings.bind(THEIRS, THERE)
    answer = await stage.call("POST", to(THEIRS), b"{}", x_streamer_hop="1")
    assert (answer.status, answer.error) == (410, "GoneException")
    assert not stage.passed


async def test_a_node_that_does_not_answer_may_be_asked_again(stage: Stage) -> None:
    stage.bindings.bind(THEIRS, THERE)
    stage.answer = Unreachable("http://there: refused")
    answer = await stage.call("POST", to(THEIRS), b"{}")
    assert (answer.status, answer.error) == (503, "ServiceUnavailableException")


async def test_a_connection_is_gone_with_a_node_that_left_a_moment_ago(stage: Stage) -> None:
    assert (await stage.call("POST", to(THEIRS), b"{}")).status == 200
    stage.registry.rows.clear()
    stage.answer = Unreachable("http://there: refused")
    answer = await stage.call("POST", to(THEIRS), b"{}")
    assert (answer.status, answer.error) == (410, "GoneException")


async def test_nothing_is_gone_while_the_store_is_away(stage: Stage) -> None:
    stage.bindings.is_away = True
    answer = await stage.call("POST", to(THEIRS), b"{}")
    assert (answer.status, answer.error) == (503, "ServiceUnavailableException")
    assert (await stage.call("POST", to(MINE), b"{}")).status == 200


# --- who may ------------------------------------------------------------------------------------------------


async def test_a_call_without_a_signature_of_ours_is_forbidden(stage: Stage) -> None:
    call = Call(method="POST", path=to(MINE), headers={"host": "node"}, body=b"{}")
    signed = sigv4.sign(KEY, call, NOW)
    forgeries = {
        "unsigned": ({}, b"{}"),
        "guessed": (sigv4.sign(Key("inside", "guessed"), call, NOW), b"{}"),
        "stranger": (sigv4.sign(Key("outside", "shared"), call, NOW), b"{}"),
        "tampered": (signed, b"[]"),
        "replayed late": (sigv4.sign(KEY, call, NOW - 301), b"{}"),
        "dated ahead": (sigv4.sign(KEY, call, NOW + 301), b"{}"),
    }
    for name, (headers, body) in forgeries.items():
        answer = await stage.unsigned("POST", to(MINE), body, {"host": "node", **headers})
        assert (answer.status, answer.error) == (403, "ForbiddenException"), name
    assert not stage.socket.sent
    assert (await stage.unsigned("POST", to(MINE), b"{}", {"host": "node", **signed})).status == 200


async def test_a_signature_holds_for_its_connection_and_verb_only(stage: Stage) -> None:
    signed = sigv4.sign(KEY, Call(method="GET", path=to(THEIRS), headers={"host": "node"}), NOW)
    for method, path in (("GET", to(MINE)), ("DELETE", to(THEIRS)), ("GET", "/prod" + to(THEIRS))):
        answer = await stage.unsigned(method, path, b"", {"host": "node", **signed})
        assert (answer.status, answer.error) == (403, "ForbiddenException")
