"""In which trace a request is answered that came by an HTTP call."""

from typing import Any, cast

from app.handshake import Hello
from app.meters import Known, Meter
from app.traced import TracedDoorkeeper, TracedInline
from streamer.actions import Action
from streamer.definitions import define
from streamer.protocol.messages import DEFAULT_OPTIONS, Request
from streamer.registry import Registry
from streamer.settings import Settings
from streamer.telemetry.metrics import Metrics
from tests.support.spans import SPAN, TRACE, TRACEPARENT, parent, place, recording
from tests.unit.app.parts import Socket, connection


async def echo(_: object, request: Any) -> Any:
    return request


ECHO: Action = define("echo", echo)


async def test_a_call_and_what_it_asks_for_are_one_trace() -> None:
    with recording() as spans:
        doorkeeper = TracedDoorkeeper(Settings(auth_mode="off"))
        inline = TracedInline(Registry([ECHO], threads=1), cast("Any", None), timeout_s=5.0, progress_live_ms=100)
        await doorkeeper.admit(Hello({"host": "localhost", "traceparent": TRACEPARENT}, (), ""))
        known, message = Known(ECHO, Meter(Metrics(), "echo"), 5.0), Request("r1", "echo", {}, None, DEFAULT_OPTIONS)
        inline.start(connection(socket := Socket()), known, message, {}, "{}")
        (call,), (answered,) = spans.named("call"), spans.named("message echo")
    assert (place(call)[0], parent(call)) == (TRACE, SPAN)
    assert (place(answered)[0], parent(answered)) == (TRACE, place(call)[1])
    assert socket.frames[0]["traceparent"].split("-")[2] == place(answered)[1]
