"""Spans of a worker: an attempt, what runs inside of it, and what its outcome tells."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from streamer.context import Context
from streamer.errors import Retry
from tests.integration.workers.stage import Stage
from tests.support.spans import SPAN, TRACE, TRACEPARENT, Spans, links, parent, place, recording


@pytest.fixture
def spans() -> Iterator[Spans]:
    with recording() as kept:
        yield kept


async def test_an_attempt_is_a_trace_of_its_own_with_a_link_to_its_submit(stage: Stage, spans: Spans) -> None:
    async def work() -> None:
        with trace.get_tracer("acme").start_as_current_span("own"):
            pass

    stage.action("work", work, mode="queued")
    worker = await stage.worker(tracing=True)
    job = await stage.finished(await stage.submit("work", {}, metadata={"traceparent": TRACEPARENT}))
    await stage.stop(worker)
    attempt, own = await spans.ended("attempt work"), await spans.ended("own")
    its_trace, span = place(attempt)
    assert its_trace != TRACE
    assert (parent(attempt), links(attempt)) == ("", [SPAN])
    assert (place(own)[0], parent(own)) == (its_trace, span)
    (complete,) = [frame for frame in stage.node.frames(job) if frame["type"] == "complete"]
    assert complete["traceparent"].split("-")[1:3] == [its_trace, span]


async def test_each_attempt_is_a_span_that_says_how_it_ended(stage: Stage, spans: Spans) -> None:
    async def work(ctx: Context, _: dict[str, Any]) -> None:
        if ctx.attempt == 1:
            raise Retry
        if ctx.attempt == 2:
            raise RuntimeError("the password is hunter2")

    stage.action("work", work, mode="queued", retries=1)
    await stage.worker(tracing=True)
    await stage.finished(await stage.submit("work", {}, max_retries=1))
    one, other = await spans.all_ended("attempt work", 2)
    assert [dict(each.attributes or {})["streamer.outcome"] for each in (one, other)] == ["retry", "fail"]
    assert [dict(each.attributes or {})["error.type"] for each in (one, other)] == ["Retry", "RuntimeError"]
    assert other.status.status_code is StatusCode.ERROR
    assert not any("hunter2" in each.to_json() for each in spans.all)


async def test_a_job_that_a_job_starts_names_the_attempt(stage: Stage, spans: Spans) -> None:
    async def work(ctx: Context, request: dict[str, Any]) -> None:
        if not request:
            await ctx.submit("work", {"last": True}, id="child")

    stage.action("work", work, mode="queued")
    await stage.worker(tracing=True)
    await stage.finished(await stage.submit("work", {}))
    one, other = await spans.all_ended("attempt work", 2)
    assert links(other) == [place(one)[1]]


@pytest.mark.parametrize(("flags", "expected"), [("01", 1), ("00", 0)])
async def test_an_attempt_is_sampled_where_its_submit_was(
    stage: Stage, flags: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0" if expected else "1")

    async def work() -> None:
        pass

    stage.action("work", work, mode="queued")
    with recording() as spans:
        worker = await stage.worker(tracing=True)
        await stage.finished(await stage.submit("work", {}, metadata={"traceparent": TRACEPARENT[:-2] + flags}))
        await stage.stop(worker)
        assert len(spans.named("attempt work")) == expected
