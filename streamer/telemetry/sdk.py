"""OpenTelemetry's SDK as this project uses it; importable where the extra `otel` is installed.

Everything about exporting is set by the standard OTEL_* variables. A collector that is away costs what waits for it
(bounded by the SDK's queue), and a log line now and then.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import entry_points, version
from typing import Any, Final

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.botocore import AiobotocoreInstrumentor
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from streamer.errors import ConfigurationError
from streamer.telemetry import tracing

log = structlog.get_logger()

FLUSH_S: Final = 3.0
"""For the last spans to reach the collector when the process ends."""
QUIET_S: Final = 60.0
"""Between two log lines about a collector that is away."""
_LOGGER: Final = "opentelemetry"
_EXPORTERS: Final = {"otlp": "otlp_proto_http"}
"""Names of OTEL_TRACES_EXPORTER that are not those of the entry points."""


@asynccontextmanager
async def exporting(service: str) -> AsyncIterator[None]:
    """Spans of this process are exported until the end, which waits for the last ones, for `FLUSH_S` at most.

    A provider that is there already (of a process that embeds us, or of `opentelemetry-instrument`) stays as it is.
    Raises ConfigurationError where OTEL_TRACES_EXPORTER names none that is installed.
    """
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        yield
        return
    made = provider(service)
    trace.set_tracer_provider(made)
    with _complaining_seldom(), aws_calls_traced(made):
        try:
            yield
        finally:
            await flushed(made.shutdown, FLUSH_S)


def provider(service: str) -> TracerProvider:
    """As the OTEL_* variables say; `service.name` is `service` where they do not name it."""
    resource = Resource.create({SERVICE_NAME: service, SERVICE_VERSION: version("streamer")})
    made = TracerProvider(
        resource=resource.merge(OTELResourceDetector().detect()),
        id_generator=Ids(),
        shutdown_on_exit=False,  # it would hold the exit for half a minute where the collector is away
    )
    made.sampler = Choosing(made.sampler)
    exporter = os.environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if exporter != "none":
        made.add_span_processor(BatchSpanProcessor(_exporter(exporter)))
    return made


class Ids(RandomIdGenerator):
    """Random ones, but where a caller has named the trace."""

    def generate_trace_id(self) -> int:
        return tracing.TRACE_ID.get() or super().generate_trace_id()


class Choosing(Sampler):
    """The sampler that was chosen, with two rules about spans that have no parent.

    A call to AWS without one is housekeeping (a beat, a sweep) and not traced. What a consumer does is sampled where
    the span that it is linked to was, so that a trace that was chosen is seen to its end; only where the sampler
    follows the choices of others, too.
    """

    def __init__(self, chosen: Sampler) -> None:
        self._chosen = chosen
        self._follows = isinstance(chosen, ParentBased)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if not trace.get_current_span(parent_context).get_span_context().is_valid:
            if attributes and attributes.get("rpc.system") == "aws-api":
                return SamplingResult(Decision.DROP)
            if self._follows and kind is SpanKind.CONSUMER and links:
                is_sampled = links[0].context.trace_flags.sampled
                return SamplingResult(Decision.RECORD_AND_SAMPLE if is_sampled else Decision.DROP, attributes)
        return self._chosen.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return self._chosen.get_description()


async def flushed(shut_down: Callable[[], None], within_s: float) -> None:
    """Calls it in a thread that nobody waits for longer than this, the end of the process included."""
    ending = threading.Thread(target=shut_down, name="last spans", daemon=True)
    ending.start()
    await asyncio.to_thread(ending.join, within_s)
    if ending.is_alive():
        log.warning("spans_left", seconds=within_s)


class Complaints(logging.Handler):
    """What the SDK says from WARNING on, as one event per `QUIET_S`, with how many were left out before it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._clock = clock
        self._quiet_until = 0.0
        self._left_out = 0

    def emit(self, record: logging.LogRecord) -> None:
        now = self._clock()
        if now < self._quiet_until:
            self._left_out += 1
            return
        left_out, self._left_out, self._quiet_until = self._left_out, 0, now + QUIET_S
        log.warning("spans_not_exported", reason=record.getMessage(), left_out=left_out)


@contextlib.contextmanager
def _complaining_seldom() -> Iterator[None]:
    logger, handler = logging.getLogger(_LOGGER), Complaints()
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


@contextlib.contextmanager
def aws_calls_traced(made: TracerProvider) -> Iterator[None]:
    """The calls of aiobotocore are spans meanwhile."""
    instrumentor: Any = AiobotocoreInstrumentor  # it has no annotations
    instrumentor = instrumentor()
    instrumentor.instrument(tracer_provider=made)
    try:
        yield
    finally:
        instrumentor.uninstrument()


def _exporter(name: str) -> Any:
    found = entry_points(group="opentelemetry_traces_exporter", name=_EXPORTERS.get(name, name))
    for each in found:
        return each.load()()
    raise ConfigurationError(f"OTEL_TRACES_EXPORTER: there is no exporter {name!r} installed; otlp and none are.")
