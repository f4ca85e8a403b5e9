"""What a collector sees of a job, of an inline request, and of a cluster whose collector is away."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.collector import Collector, collector
from tests.support.system import System

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
HANDSHAKES_TRACE = "5759e988bd862e3fe1be46a994272793"


@pytest.fixture
async def otlp() -> AsyncIterator[Collector]:
    async with collector() as opened:
        yield opened


async def test_a_job_is_seen_whole(streamer: System, otlp: Collector) -> None:
    url = await (await streamer.node(**otlp.environment)).url()
    worker = await streamer.worker(**otlp.environment)
    headers = {"traceparent": f"00-{HANDSHAKES_TRACE}-{SPAN}-01"}
    async with streamer.client(url, headers=headers) as client:
        await client.request("steps", {"steps": 1, "say": "a-secret"}, "r1", metadata={"traceparent": TRACEPARENT})
        acknowledgment = await client.expect("acknowledgment", request_id="r1")
        outcome = await client.outcome("r1")

    handshake, submit = await otlp.span("handshake"), await otlp.span("submit steps")
    attempt, delivery = await otlp.span("attempt steps"), await otlp.span("deliver outcome")
    assert (handshake.trace, handshake.parent) == (HANDSHAKES_TRACE, SPAN)
    assert (submit.trace, submit.parent) == (TRACE, SPAN)
    assert (attempt.parent, attempt.links) == ("", [submit.id])
    assert (delivery.trace, delivery.parent) == (attempt.trace, attempt.id)
    assert {handshake.service, submit.service, delivery.service} == {"streamer-app"}
    assert attempt.service == "streamer-worker"
    assert acknowledgment["traceparent"].startswith(submit.traceparent)
    assert outcome["traceparent"].startswith(attempt.traceparent)
    assert submit.start_ns <= submit.end_ns <= attempt.end_ns

    row = await streamer.row("r1")
    assert row.metadata == {"traceparent": acknowledgment["traceparent"]}
    assert attempt.attributes == {
        "messaging.system": "streamer",
        "messaging.operation.name": "attempt",
        "messaging.operation.type": "process",
        "messaging.destination.name": "default",
        "messaging.message.id": row.job_id,
        "streamer.action": "steps",
        "streamer.attempt": 1,
        "streamer.request_id": "r1",
        "streamer.tenant": "acme",
        "streamer.outcome": "complete",
    }
    assert not any(b"a-secret" in body for body in otlp.bodies)
    worker.terminate()
    assert await worker.ended() == 0
    await streamer.check()


async def test_the_trace_that_a_load_balancer_names_goes_on(streamer: System, otlp: Collector) -> None:
    url = await (await streamer.node(**otlp.environment)).url()
    async with streamer.client(url, headers={"X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793"}) as client:
        await client.request("echo", {}, "r1")
        answer = await client.outcome("r1")

    handshake, message = await otlp.span("handshake"), await otlp.span("message echo")
    assert (handshake.trace, handshake.parent) == (HANDSHAKES_TRACE, "")
    assert (message.parent, message.links) == ("", [handshake.id])
    assert message.trace != handshake.trace
    assert answer["traceparent"].startswith(message.traceparent)
    await streamer.check()


async def test_what_waits_for_export_is_exported_at_the_end(streamer: System, otlp: Collector) -> None:
    node = await streamer.node(**{**otlp.environment, "OTEL_BSP_SCHEDULE_DELAY": "3600000"})
    async with streamer.client(await node.url()) as client:
        await client.request("echo", {}, "r1")
        await client.outcome("r1")
    assert not otlp.spans
    node.terminate()
    assert await node.ended() == 0
    assert {span.name for span in otlp.spans} == {"handshake", "message echo"}


async def test_a_collector_that_is_away_costs_a_log_line(streamer: System, otlp: Collector) -> None:
    otlp.status = 400
    node = await streamer.node(**otlp.environment)
    async with streamer.client(await node.url()) as client:
        for number in range(20):
            await client.request("echo", {}, f"r{number}")
            await client.outcome(f"r{number}")
    await node.logged("spans_not_exported")
    posts = len(otlp.bodies)
    node.terminate()
    assert await node.ended() == 0
    assert posts >= 1
    assert len(node.events("spans_not_exported")) == 1


async def test_with_tracing_off_no_frame_and_no_row_says_anything_of_traces(streamer: System) -> None:
    url = await (await streamer.node()).url()
    await streamer.worker()
    async with streamer.client(url) as client:
        await client.request("steps", {"steps": 1}, "r1", metadata={"traceparent": TRACEPARENT})
        await client.request("steps", {"steps": 1}, "r2")
        for request_id in ("r1", "r2"):
            await client.outcome(request_id)
        assert not any("traceparent" in frame for frame in client.frames)
    metadata: list[Any] = [(await streamer.row(request_id)).metadata for request_id in ("r1", "r2")]
    assert metadata == [{"traceparent": TRACEPARENT}, None]
    await streamer.check()
