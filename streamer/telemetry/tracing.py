"""Spans, by OpenTelemetry's API alone: how a trace goes on from one process to the next, and what a span may tell.

A span tells who, which and how it ended; never payloads, results, or what an exception says.
"""

import contextvars
import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from typing import Any, Final

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from streamer.errors import ConfigurationError, StreamerError

SYSTEM: Final = "streamer"
"""`messaging.system` of OpenTelemetry's semantic conventions, and the name of the tracer."""
FIELDS: Final = ("traceparent", "tracestate")
ALONE: Final = Context()
"""The context of a span without a parent."""
TRACE_ID: Final[contextvars.ContextVar[int | None]] = contextvars.ContextVar("trace_id", default=None)
"""That which a trace that begins now is to have; None: any. For callers who name a trace and no span in it."""
_W3C: Final = TraceContextTextMapPropagator()
_SDK: Final = "streamer.telemetry.sdk"


def checked(*, is_on: bool) -> None:
    """Raises ConfigurationError, in a sentence, where spans are asked for and the SDK that exports them is missing."""
    if not is_on:
        return
    try:
        importlib.import_module(_SDK)
    except ImportError as error:
        message = "STREAMER_TRACING=true needs OpenTelemetry's SDK: install streamer[otel]."
        raise ConfigurationError(message) from error


def exporting(service: str, *, is_on: bool) -> AbstractAsyncContextManager[None]:
    """Spans are exported meanwhile, as the OTEL_* variables say, where that is on; `checked` comes first."""
    if not is_on:
        return nullcontext()
    made: AbstractAsyncContextManager[None] = importlib.import_module(_SDK).exporting(service)
    return made


def tracer() -> Tracer:
    """Of the provider that is there by now; to be kept, as looking it up costs more than a span."""
    return trace.get_tracer(SYSTEM)


# --- from one process to the next ---------------------------------------------------------------------------


def named(said: Mapping[str, Any] | None) -> Context:
    """The context that metadata or headers name by `traceparent` and `tracestate`; `ALONE` where they name none."""
    if not said or type(said.get(FIELDS[0])) is not str:
        return ALONE
    carrier = {name: value for name in FIELDS if type(value := said.get(name)) is str}
    return _W3C.extract(carrier, ALONE)


def place(context: Context) -> SpanContext:
    """Which span a context is of; not `is_valid` where it is of none."""
    return trace.get_current_span(context).get_span_context()


def links(place: SpanContext | None) -> Sequence[Link]:
    return [Link(place)] if place is not None and place.is_valid else ()


def inscribed(metadata: Mapping[str, Any] | None, span: Span) -> Mapping[str, Any] | None:
    """Metadata that names this span; as it was where the span is of no trace."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span, ALONE))
    return {**(metadata or {}), **carrier} if carrier else metadata


def traceparent(span: Span) -> str | None:
    """By which others find this span; None where it is not exported."""
    it = span.get_span_context()
    return f"00-{it.trace_id:032x}-{it.span_id:016x}-{it.trace_flags:02x}" if it.trace_flags.sampled else None


def of(place: SpanContext) -> Context:
    """The context of a span that may be another process's."""
    return trace.set_span_in_context(trace.NonRecordingSpan(place), ALONE)


def inside(span: Span) -> contextvars.Context:
    """A copy of the caller's context variables in which this span is the current one."""
    copied = contextvars.copy_context()
    copied.run(contexts.attach, trace.set_span_in_context(span, contexts.get_current()))
    return copied


# --- what a span tells --------------------------------------------------------------------------------------


def messaging(operation: str, kind: str, **about: Any) -> dict[str, Any]:
    """Attributes by the semantic conventions for messaging; `about`: our own, without what is None."""
    return {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
        **{f"streamer.{name}": value for name, value in about.items() if value is not None},
    }


@contextmanager
def running(span: Span) -> Iterator[Span]:
    """The span is the current one meanwhile, and ended then; an exception is told by its type."""
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield span
        except BaseException as error:
            failed(span, error)
            raise


def failed(span: Span, error: BaseException) -> None:
    """Marks a span as failed by this error: by its code or its type."""
    name = error.code if isinstance(error, StreamerError) else type(error).__name__
    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", name)
