"""What of a trace is read, told and passed on."""

import builtins
import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN

from streamer.errors import ConfigurationError, Forbidden
from streamer.telemetry import tracing
from tests.support.spans import SPAN, TRACE, TRACEPARENT, recording


def test_a_context_is_named_by_traceparent_and_tracestate() -> None:
    place = tracing.place(tracing.named({"traceparent": TRACEPARENT, "tracestate": "acme=1", "colour": "red"}))
    assert (trace.format_trace_id(place.trace_id), trace.format_span_id(place.span_id)) == (TRACE, SPAN)
    assert place.is_remote
    assert dict(place.trace_state) == {"acme": "1"}


@pytest.mark.parametrize(
    "said", [None, {}, {"traceparent": 7}, {"traceparent": ["x"]}, {"traceparent": "00-1"}, {"tracestate": "acme=1"}]
)
def test_what_names_none_is_alone(said: dict[str, Any] | None) -> None:
    assert not tracing.place(tracing.named(said)).is_valid


def test_a_tracestate_that_is_no_string_is_ignored() -> None:
    assert tracing.place(tracing.named({"traceparent": TRACEPARENT, "tracestate": {}})).is_valid


def test_metadata_names_the_span() -> None:
    with recording():
        span = tracing.tracer().start_span("one", tracing.named({"traceparent": TRACEPARENT, "tracestate": "acme=1"}))
        inscribed = tracing.inscribed({"colour": "red"}, span)
    assert inscribed == {"colour": "red", "traceparent": tracing.traceparent(span), "tracestate": "acme=1"}


def test_a_span_of_no_trace_is_not_named() -> None:
    assert tracing.inscribed({"colour": "red"}, INVALID_SPAN) == {"colour": "red"}
    assert tracing.inscribed(None, INVALID_SPAN) is None
    assert tracing.traceparent(INVALID_SPAN) is None
    assert tracing.links(INVALID_SPAN.get_span_context()) == tracing.links(None) == ()


def test_a_failed_span_tells_the_code_of_an_error_or_its_type() -> None:
    with recording() as spans:
        for error in (Forbidden("of ann"), KeyError("ann")):
            with pytest.raises(type(error)), tracing.running(tracing.tracer().start_span("one")):
                raise error
    assert [dict(span.attributes or {}) for span in spans.all] == [
        {"error.type": "FORBIDDEN"},
        {"error.type": "KeyError"},
    ]
    assert not any("ann" in span.to_json() for span in spans.all)


def test_attributes_without_a_value_are_left_out() -> None:
    assert tracing.messaging("submit", "send", action="echo", request_id=None) == {
        "messaging.system": "streamer",
        "messaging.operation.name": "submit",
        "messaging.operation.type": "send",
        "streamer.action": "echo",
    }


def test_without_the_sdk_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "streamer.telemetry.sdk")
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.startswith("opentelemetry.sdk"):
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigurationError, match=r"install streamer\[otel\]"):
        tracing.checked(is_on=True)


async def test_off_it_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "streamer.telemetry.sdk", None)
    tracing.checked(is_on=False)
    before = trace.get_tracer_provider()
    async with tracing.exporting("test", is_on=False):
        assert trace.get_tracer_provider() is before


def test_on_with_the_sdk_all_is_well() -> None:
    tracing.checked(is_on=True)
