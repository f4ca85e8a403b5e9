"""How the SDK is set up: by the OTEL_* variables, with few words, and no wait for a collector that is away."""

import logging
import threading

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind
from opentelemetry.util._once import Once
from structlog.testing import capture_logs

from streamer.errors import ConfigurationError
from streamer.telemetry import sdk, tracing
from tests.support.spans import TRACEPARENT, recording


@pytest.fixture(autouse=True)
def _no_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")


@pytest.fixture
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """No provider is set as yet, nor will be afterwards."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())


def test_the_service_is_named_by_its_role_or_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sdk.provider("streamer-app").resource.attributes["service.name"] == "streamer-app"
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=orders,deployment.environment=test")
    named = sdk.provider("streamer-app").resource.attributes
    assert (named["service.name"], named["deployment.environment"]) == ("orders", "test")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "other")
    assert sdk.provider("streamer-app").resource.attributes["service.name"] == "other"


def test_an_exporter_that_is_not_installed_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "carrier-pigeon")
    with pytest.raises(ConfigurationError, match="there is no exporter 'carrier-pigeon'"):
        sdk.provider("test")


def test_exporters_are_found_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("", "otlp", "console"):
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", name)
        made = sdk.provider("test")
        made.shutdown()


@pytest.mark.usefixtures("_unset")
async def test_the_provider_is_set_for_everybody_and_ended() -> None:
    async with sdk.exporting("test"):
        made = trace.get_tracer_provider()
        assert isinstance(made, TracerProvider)
        assert not logging.getLogger("opentelemetry").propagate
    assert logging.getLogger("opentelemetry").propagate


async def test_a_provider_that_is_there_stays() -> None:
    with recording() as spans:
        async with sdk.exporting("test"):
            assert trace.get_tracer_provider() is spans.provider
        with tracing.tracer().start_as_current_span("afterwards"):
            pass
        assert spans.named("afterwards")


async def test_the_end_waits_for_the_last_spans_and_not_for_ever() -> None:
    flushed, never = threading.Event(), threading.Event()
    with capture_logs() as lines:
        await sdk.flushed(flushed.set, 20.0)
        await sdk.flushed(lambda: assert_waits(never), 0.01)
    never.set()
    assert flushed.is_set()
    assert [line["event"] for line in lines] == ["spans_left"]


def assert_waits(event: threading.Event) -> None:
    event.wait(20.0)


def test_complaints_are_few_and_counted() -> None:
    now = [100.0]
    complaints = sdk.Complaints(lambda: now[0])
    record = logging.LogRecord("opentelemetry", logging.ERROR, "", 0, "no %s", ("collector",), None)
    with capture_logs() as lines:
        for _ in range(5):
            complaints.handle(record)
        now[0] += sdk.QUIET_S
        complaints.handle(record)
    assert [(line["event"], line["reason"], line["left_out"]) for line in lines] == [
        ("spans_not_exported", "no collector", 0),
        ("spans_not_exported", "no collector", 4),
    ]


def test_a_caller_may_name_the_trace() -> None:
    with recording() as spans:
        reset = tracing.TRACE_ID.set(7)
        tracing.tracer().start_span("named").end()
        tracing.TRACE_ID.reset(reset)
        tracing.tracer().start_span("any").end()
    named, any_ = (span.get_span_context() for span in spans.all)
    assert named is not None
    assert any_ is not None
    assert named.trace_id == 7 != any_.trace_id


@pytest.mark.parametrize(
    ("sampler", "flags", "expected"),
    [
        ("parentbased_always_off", "01", True),
        ("parentbased_always_on", "00", False),
        ("always_off", "01", False),
        ("always_on", "00", True),
    ],
)
def test_a_consumer_is_sampled_as_what_it_is_linked_to(
    sampler: str, flags: str, *, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    links = tracing.links(tracing.place(tracing.named({"traceparent": TRACEPARENT[:-2] + flags})))
    with recording():
        span = tracing.tracer().start_span("attempt", tracing.ALONE, SpanKind.CONSUMER, links=links)
    assert span.is_recording() == expected


def test_everything_else_is_sampled_as_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    links = tracing.links(tracing.place(tracing.named({"traceparent": TRACEPARENT})))
    with recording() as spans:
        assert "TraceIdRatioBased{0.0}" in spans.provider.sampler.get_description()
        message = tracing.tracer().start_span("message", tracing.ALONE, SpanKind.SERVER, links=links)
        child = tracing.tracer().start_span("child", tracing.named({"traceparent": TRACEPARENT}))
    assert not message.is_recording()
    assert child.is_recording()


def test_a_call_to_aws_is_traced_where_it_was_made_for_somebody() -> None:
    about = {"rpc.system": "aws-api"}
    with recording():
        alone = tracing.tracer().start_span("DynamoDB.Query", tracing.ALONE, SpanKind.CLIENT, about)
        within = tracing.named({"traceparent": TRACEPARENT})
        made_for_somebody = tracing.tracer().start_span("DynamoDB.Query", within, SpanKind.CLIENT, about)
    assert not alone.is_recording()
    assert made_for_somebody.is_recording()
