"""Spans of this process, kept for a test to look at."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from streamer.telemetry import sdk
from tests.support.until import until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


class Spans:
    """Those that have ended."""

    def __init__(self, provider: TracerProvider) -> None:
        self.provider = provider
        self._exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def named(self, name: str) -> Sequence[ReadableSpan]:
        return [span for span in self.all if span.name == name]

    @property
    def all(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    async def ended(self, name: str) -> ReadableSpan:
        return (await self.all_ended(name, 1))[0]

    async def all_ended(self, name: str, count: int) -> Sequence[ReadableSpan]:
        """So many of this name, as soon as there are."""
        await until(lambda: len(self.named(name)) >= count, what=f"{count} spans {name}")
        return self.named(name)


@contextmanager
def recording() -> Iterator[Spans]:
    """What is made meanwhile. OpenTelemetry lets a process set its provider once; a test needs one of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_TRACES_EXPORTER", "none")
        provider = sdk.provider("test")
        patch.setattr(trace, "_TRACER_PROVIDER", provider)
        yield Spans(provider)
        provider.shutdown()


def place(span: ReadableSpan) -> tuple[str, str]:
    """(trace, id), in hexadecimal."""
    context = span.get_span_context()
    assert context is not None
    return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)


def parent(span: ReadableSpan) -> str:
    """The id of its parent, "" of a root."""
    return "" if span.parent is None else trace.format_span_id(span.parent.span_id)


def links(span: ReadableSpan) -> list[str]:
    return [trace.format_span_id(link.context.span_id) for link in span.links]
