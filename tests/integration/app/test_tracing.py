"""Spans of a node, and what clients, rows and handlers see of them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode
from websockets.exceptions import InvalidStatus

from streamer.jobs.model import Job
from streamer.protocol import traceparents
from tests.integration.app.actions import gates
from tests.integration.app.house import House, house, outcome
from tests.support.spans import SPAN, TRACE, TRACEPARENT, Spans, links, parent, place, recording

ACTIONS = ("tests.integration.app.actions", "tests.integration.app.promising", "tests.integration.app.spanning")
NAMED: dict[str, Any] = {"metadata": {"traceparent": TRACEPARENT}}


@pytest.fixture(autouse=True)
def spans() -> Iterator[Spans]:
    with recording() as kept:
        yield kept


@pytest.fixture
async def traced(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, tracing=True, actions=ACTIONS, async_threshold_s=0.05) as opened:
        yield opened


@pytest.mark.parametrize("wait", [False, True])
async def test_a_message_is_a_span_around_its_handler(traced: House, spans: Spans, wait: bool) -> None:
    client = await traced.client()
    answer = await client.ask(action="spanning", id="r1", payload={"wait": wait}, **NAMED)
    message, own = await spans.ended("message spanning"), await spans.ended("own")
    its_trace, span = place(message)
    assert (its_trace, parent(message)) == (TRACE, SPAN)
    assert (place(own)[0], parent(own)) == (TRACE, span)
    assert answer["data"] == span
    assert answer["traceparent"].startswith(f"00-{its_trace}-{span}-")
    assert message.attributes is not None
    assert message.attributes["streamer.tenant"] == "t1"
    assert message.attributes["streamer.request_id"] == "r1"


async def test_a_message_without_a_trace_begins_one_and_links_to_the_handshake(traced: House, spans: Spans) -> None:
    client = await traced.client()
    for number in range(2):
        await client.ask(action="spanning", id=f"r{number}", payload={"wait": True})
    handshake = await spans.ended("handshake")
    one, other = await spans.all_ended("message spanning", 2)
    assert len({place(span)[0] for span in (handshake, one, other)}) == 3
    assert [links(span) for span in (one, other)] == [[place(handshake)[1]]] * 2
    assert not parent(one)


async def test_a_handler_in_a_thread_is_inside_too(traced: House, spans: Spans) -> None:
    client = await traced.client()
    await client.ask(action="spanning_thread", id="r1")
    message, own = await spans.ended("message spanning_thread"), await spans.ended("own in a thread")
    assert parent(own) == place(message)[1]


@pytest.mark.parametrize(("action", "kind"), [("refuse", "OUT_OF_STOCK"), ("crash", "RuntimeError")])
async def test_an_error_marks_the_span_by_its_kind_alone(traced: House, spans: Spans, action: str, kind: str) -> None:
    client = await traced.client()
    answer = await client.ask(action=action, id="r1")
    span = await spans.ended(f"message {action}")
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == kind
    assert not span.events
    assert span.status.description is None
    assert answer["traceparent"].startswith("00-")


async def test_a_repeat_with_another_payload_is_a_failed_span(traced: House, spans: Spans) -> None:
    client = await traced.client()
    await client.ask(action="spanning", id="r1")
    refusal = await client.ask(action="spanning", id="r1", payload={"wait": True})
    assert refusal["error"]["code"] == "DUPLICATE_REQUEST"
    assert [span.status.status_code for span in spans.named("message spanning")] == [
        StatusCode.UNSET,
        StatusCode.ERROR,
    ]


async def test_a_submit_is_a_span_that_its_row_names(traced: House, spans: Spans) -> None:
    client = await traced.client()
    answer = await client.ask(action="queued", id="r1", metadata={"colour": "red", "traceparent": TRACEPARENT})
    submit = await spans.ended("submit queued")
    row = await traced.row("r1")
    assert (place(submit)[0], parent(submit)) == (TRACE, SPAN)
    assert row.metadata == {"colour": "red", "traceparent": answer["traceparent"]}
    assert answer["traceparent"].split("-")[1:3] == list(place(submit))
    assert submit.attributes is not None
    assert submit.attributes["messaging.message.id"] == row.job_id


async def test_a_repeat_from_another_trace_is_the_same_job(traced: House) -> None:
    client = await traced.client()
    first = await client.ask(action="queued", id="r1", **NAMED)
    again = await client.ask(action="queued", id="r1")
    assert (again["type"], again["job_id"]) == ("acknowledgment", first["job_id"])


async def test_a_refused_submit_is_a_failed_span(traced: House, spans: Spans) -> None:
    client = await traced.client()
    await client.ask(action="queued", id="r1")
    refusal = await client.ask(action="queued", id="r1", payload={"other": 1})
    assert refusal["error"]["code"] == "DUPLICATE_REQUEST"
    assert spans.named("submit queued")[1].status.status_code is StatusCode.ERROR


async def test_a_submit_that_cannot_be_made_is_a_failed_span(traced: House, spans: Spans) -> None:
    client = await traced.client()
    deep: Any = 1
    for _ in range(190):
        deep = [deep]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamer.intake._json", _too_deep)
        refusal = await client.ask(action="queued", id="r1", payload={"deep": deep})
    assert refusal["type"] == "error"
    assert (await spans.ended("submit queued")).status.status_code is StatusCode.ERROR


def _too_deep(_: Any) -> bytes:
    raise RecursionError


async def test_a_run_that_is_queued_after_all_stays_in_its_trace(traced: House, spans: Spans) -> None:
    client = await traced.client()
    await client.send(action="promising", id="r1", payload={"gate": "g"}, **NAMED)
    await client.next("acknowledgment")
    submit = await spans.ended("submit promising")
    message = await spans.ended("message promising")
    assert place(submit)[0] == place(message)[0] == TRACE
    assert parent(submit) == place(message)[1]


async def test_a_job_that_a_handler_starts_names_the_handlers_span(traced: House, spans: Spans) -> None:
    client = await traced.client()
    await client.ask(action="starting", id="r1")
    message = await spans.ended("message starting")
    row = await traced.row("child")
    assert row.metadata is not None
    assert row.metadata["colour"] == "red"
    assert row.metadata["traceparent"].split("-")[1:3] == list(place(message))


async def test_a_refused_handshake_is_a_failed_span(traced: House, spans: Spans) -> None:
    with pytest.raises(InvalidStatus):
        await traced.client("no token")
    handshake = await spans.ended("handshake")
    assert handshake.status.status_code is StatusCode.ERROR
    assert handshake.attributes is not None
    assert handshake.attributes["streamer.result"] == "unauthorized"


async def test_an_outcome_that_names_its_attempt_is_delivered_in_its_trace(traced: House, spans: Spans) -> None:
    client = await traced.client()
    job = await traced.running(client, "r1")
    gone = await traced.deliver(job, "outcome", 2, traceparents.added(_done(job), TRACEPARENT), at=1.5)
    assert (await client.next("complete"))["traceparent"] == TRACEPARENT
    delivery = await spans.ended("deliver outcome")
    assert gone == {"gone": []}
    assert (place(delivery)[0], parent(delivery)) == (TRACE, SPAN)
    assert delivery.start_time == 1_500_000_000


async def test_an_outcome_of_a_worker_that_does_not_trace_is_delivered(traced: House, spans: Spans) -> None:
    client = await traced.client()
    job = await traced.running(client, "r1")
    await traced.deliver(job, "outcome", 2, _done(job))
    assert "traceparent" not in await client.next("complete")
    assert not spans.named("deliver outcome")


async def test_nothing_is_said_where_nothing_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", trace.NoOpTracerProvider())
    async with house(tmp_path, tracing=True, actions=ACTIONS) as untraced:
        client = await untraced.client()
        answers = [await client.ask(action=action, id=action) for action in ("spanning", "queued")]
        assert not any("traceparent" in answer for answer in answers)
        assert (await untraced.row("queued")).metadata is None


async def test_a_trace_that_is_not_sampled_is_not_told(traced: House, spans: Spans) -> None:
    client = await traced.client()
    named = f"{TRACEPARENT[:-1]}0"
    answer = await client.ask(action="spanning", id="r1", metadata={"traceparent": named})
    queued = await client.ask(action="queued", id="r2", metadata={"traceparent": named})
    row = await traced.row("r2")
    assert "traceparent" not in answer
    assert "traceparent" not in queued
    assert row.metadata is not None
    assert row.metadata["traceparent"].startswith(f"00-{TRACE}-")
    assert {span.name for span in spans.all} == {"handshake"}


def _done(job: Job) -> bytes:
    gates.clear()
    return outcome(job)
