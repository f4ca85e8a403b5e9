"""Which trace the headers of a handshake name."""

import pytest
from opentelemetry import trace

from streamer.telemetry import headers, tracing
from tests.support.spans import SPAN, TRACE, TRACEPARENT

ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793"
ROOTS_TRACE = "5759e988bd862e3fe1be46a994272793"


def read(**given: str) -> tuple[str, str, bool]:
    place = tracing.place(headers.context({name.replace("_", "-"): value for name, value in given.items()}))
    return trace.format_trace_id(place.trace_id), trace.format_span_id(place.span_id), bool(place.trace_flags.sampled)


def test_the_standard_header_comes_first() -> None:
    assert read(traceparent=TRACEPARENT, x_amzn_trace_id=f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=1") == (
        TRACE,
        SPAN,
        True,
    )


def test_x_ray_with_a_parent() -> None:
    given = f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=0"
    assert read(x_amzn_trace_id=given) == (ROOTS_TRACE, "53995c3f42cd8ad8", False)


@pytest.mark.parametrize("given", [ROOT, f"Self=1-67891234-12456789abcdef012345678;{ROOT}", f"{ROOT};Sampled=1"])
def test_a_load_balancer_names_a_trace_alone(given: str) -> None:
    assert not tracing.place(headers.context({"x-amzn-trace-id": given})).is_valid
    found = headers.trace_id({"x-amzn-trace-id": given})
    assert found is not None
    assert trace.format_trace_id(found) == ROOTS_TRACE


@pytest.mark.parametrize("given", ["", "nonsense", "Root=2-1", f"Root=1-{'0' * 8}-{'0' * 24}", "Root=1-zz59e988-bd"])
def test_what_cannot_be_read_is_ignored(given: str) -> None:
    assert headers.trace_id({"x-amzn-trace-id": given}) is None
    assert not tracing.place(headers.context({"x-amzn-trace-id": given})).is_valid
