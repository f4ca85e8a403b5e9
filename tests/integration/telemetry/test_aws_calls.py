"""Calls to DynamoDB as spans: those that were made for somebody."""

from collections.abc import Iterator

import pytest
from opentelemetry import trace

from streamer.telemetry import sdk
from tests.support.jobs import submission
from tests.support.spans import Spans, parent, place, recording
from tests.support.store import Engine


@pytest.fixture
def spans() -> Iterator[Spans]:
    with recording() as kept, sdk.aws_calls_traced(kept.provider):
        yield kept


@pytest.fixture
def on_dynamodb(dynamodb_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    for name, value in dynamodb_engine.environment.items():
        monkeypatch.setenv(name, value)
    return dynamodb_engine


async def test_a_call_within_a_span_is_part_of_its_trace(on_dynamodb: Engine, spans: Spans) -> None:
    async with on_dynamodb.open() as store:
        with trace.get_tracer("test").start_as_current_span("submit") as span:
            await store.requests.enqueue(submission(client_id="inside", payload=b'"a-secret"'))
    written = spans.named("DynamoDB.PutItem") or spans.named("DynamoDB.UpdateItem")
    assert [parent(call) for call in written] == [trace.format_span_id(span.get_span_context().span_id)]
    assert written[0].attributes is not None
    assert written[0].attributes["rpc.system"] == "aws-api"
    assert not any("a-secret" in call.to_json() for call in spans.all)


async def test_housekeeping_is_not_traced(on_dynamodb: Engine, spans: Spans) -> None:
    async with on_dynamodb.open() as store:
        await store.nodes.list("app")
        await store.requests.enqueue(submission(client_id="outside"))
    assert not spans.all


async def test_afterwards_calls_are_as_before(on_dynamodb: Engine) -> None:
    with recording() as kept:
        with sdk.aws_calls_traced(kept.provider):
            pass
        async with on_dynamodb.open() as store:
            with trace.get_tracer("test").start_as_current_span("submit") as span:
                await store.requests.enqueue(submission(client_id="after"))
        assert [place(each)[1] for each in kept.all] == [trace.format_span_id(span.get_span_context().span_id)]
