"""The parts of a node that make spans: handshake, message, submit, delivery. Made only where tracing is on."""

import contextvars
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext, SpanKind, Tracer

from app import stepping
from app.connection import Connection
from app.delivery import Deliveries
from app.handshake import Doorkeeper, Hello, Refused
from app.hub import Delivery
from app.inline import Inline
from app.kinds import Kinds
from app.meters import Known
from app.run import Run
from app.submit import Submits
from app.tracker import Tracker
from streamer.auth import Principal
from streamer.jobs.model import Job
from streamer.protocol import traceparents
from streamer.protocol.messages import Request
from streamer.telemetry import headers, tracing
from streamer.traced import TracedSubmitter


@dataclass(frozen=True, slots=True)
class Arrival:
    """How whoever asks came in."""

    place: SpanContext
    is_socket: bool  # which has many messages: each is a trace of its own, linked to the handshake


ARRIVAL: Final[contextvars.ContextVar[Arrival | None]] = contextvars.ContextVar("arrival", default=None)
"""Set by the doorkeeper in the task of the socket or call, and so in every task that reads for it."""


class TracedDoorkeeper(Doorkeeper):
    """Judging a handshake, or the token of an HTTP call, is a span in the trace that its headers name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tracer = tracing.tracer()

    async def admit(self, hello: Hello) -> Principal:
        is_socket = "sec-websocket-version" in hello.headers
        with tracing.running(_arriving(self._tracer, hello.headers, "handshake" if is_socket else "call")) as span:
            try:
                principal = await super().admit(hello)
            except Refused as refused:
                span.set_attribute("streamer.result", refused.result)
                raise
            span.set_attribute("streamer.tenant", principal.tenant)
        ARRIVAL.set(Arrival(span.get_span_context(), is_socket))
        return principal


class TracedInline(Inline):
    """A request that is answered inline is a span, from its frame to its answer; the handler runs inside."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tracer = tracing.tracer()

    def start(
        self, connection: Connection, known: Known, message: Request, request: Any, question: str
    ) -> Awaitable[None] | None:
        span = _begun(self._tracer, "message", SpanKind.SERVER, message)
        if not span.get_span_context().is_valid:  # nothing is exported, and nobody has named a trace
            return super().start(connection, known, message, request, question)
        if span.is_recording():
            span.set_attributes(_about("message", "process", connection, message))
        inside = tracing.inside(span)
        try:
            rest = inside.run(super().start, connection, known, message, request, question)
        except Exception as error:
            tracing.failed(span, error)
            span.end()
            raise
        if rest is None:
            span.end()
            return None
        return _ended(span, rest, inside)

    def _answer(self, run: Run, frame: bytes, *, is_lasting: bool) -> float:
        return super()._answer(run, _signed(frame), is_lasting=is_lasting)

    def _fail(self, run: Run, error: BaseException) -> None:
        tracing.failed(trace.get_current_span(), error)
        super()._fail(run, error)


class TracedSubmits(Submits):
    """Storing a request is a span up to its acknowledgment; the row names it, for the attempts to link to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tracer = tracing.tracer()

    async def submit(self, connection: Connection, known: Known, message: Request, *, told: float = 0.0) -> None:
        span = _begun(self._tracer, "submit", SpanKind.PRODUCER, message)
        inscribed = replace(message, metadata=tracing.inscribed(message.metadata, span))
        if span.is_recording():
            span.set_attributes(_about("submit", "send", connection, message))
            span.set_attribute("messaging.destination.name", known.action.queue)
        work = super().submit(connection, known, inscribed, told=told)
        try:
            await stepping.within(work, tracing.inside(span))
        except BaseException as error:
            tracing.failed(span, error)
            raise
        finally:
            span.end()

    def _acknowledgment(self, job: Job, now: float) -> bytes:
        trace.get_current_span().set_attribute("messaging.message.id", job.job_id)
        return _signed(super()._acknowledgment(job, now))

    def _refuse(
        self, connection: Connection, tracker: Tracker, known: Known, error: BaseException, took_s: float
    ) -> None:
        tracing.failed(trace.get_current_span(), error)
        super()._refuse(connection, tracker, known, error, took_s)


class TracedDeliveries(Deliveries):
    """Bringing an outcome from its worker to the sockets of this node is a span of the attempt's trace."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tracer = tracing.tracer()

    def _deliver(self, delivery: Delivery, encoded_at: float, now: float) -> Sequence[str]:
        named = traceparents.read(delivery.frame.body) if delivery.frame.kind == "outcome" else None
        if named is None:
            return super()._deliver(delivery, encoded_at, now)
        span = self._tracer.start_span(
            "deliver outcome",
            tracing.named({"traceparent": named}),
            SpanKind.CONSUMER,
            tracing.messaging("deliver", "process", tenant=delivery.tenant, attempt=delivery.frame.attempt),
            start_time=int(min(encoded_at, now) * 1e9),
        )
        span.set_attribute("messaging.message.id", delivery.job_id)
        gone = super()._deliver(delivery, encoded_at, now)
        span.set_attribute("streamer.gone", len(gone))
        span.end()
        return gone


KINDS: Final = Kinds(
    doorkeeper=TracedDoorkeeper,
    inline=TracedInline,
    submits=TracedSubmits,
    submitter=TracedSubmitter,
    deliveries=TracedDeliveries,
)


def _arriving(tracer: Tracer, given: Mapping[str, str], name: str) -> Span:
    parent = headers.context(given)
    reset = tracing.TRACE_ID.set(headers.trace_id(given))
    try:
        return tracer.start_span(name, parent, SpanKind.SERVER)
    finally:
        tracing.TRACE_ID.reset(reset)


def _begun(tracer: Tracer, name: str, kind: SpanKind, message: Request) -> Span:
    """In the trace that the message names, or that it is worked on in; else a trace of its own."""
    parent, arrival = _parent(message), ARRIVAL.get()
    is_alone = arrival is not None and not tracing.place(parent).is_valid
    links = tracing.links(arrival.place) if arrival is not None and is_alone else ()
    return tracer.start_span(f"{name} {message.action}", parent, kind, links=links)


def _parent(message: Request) -> Context:
    named = tracing.named(message.metadata)
    current, arrival = trace.get_current_span().get_span_context(), ARRIVAL.get()
    is_mine = current.is_valid and tracing.place(named).trace_id in (0, current.trace_id)
    if is_mine:  # a run that is queued after all
        return tracing.of(current)
    if arrival is not None and not arrival.is_socket and not tracing.place(named).is_valid:
        return tracing.of(arrival.place)
    return named


def _about(name: str, kind: str, connection: Connection, message: Request) -> dict[str, Any]:
    return tracing.messaging(
        name,
        kind,
        action=message.action,
        request_id=message.request_id,
        connection_id=connection.connection_id,
        tenant=connection.principal.tenant,
    )


async def _ended(span: Span, rest: Awaitable[None], inside: contextvars.Context) -> None:
    work = cast("Coroutine[Any, Any, None]", rest)  # of `Inline`, whose runs are coroutines
    try:
        await stepping.within(work, inside)
    finally:
        span.end()


def _signed(frame: bytes) -> bytes:
    return traceparents.added(frame, tracing.traceparent(trace.get_current_span()))
