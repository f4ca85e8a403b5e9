"""A collector of traces: takes what an exporter posts by OTLP over HTTP, and keeps the spans."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.support.until import until


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Ids are hexadecimal, as in a `traceparent`; `parent` is "" of a root."""

    name: str
    service: str
    trace: str
    id: str
    parent: str
    links: Sequence[str]  # ids of spans
    attributes: Mapping[str, Any]
    is_error: bool
    events: int
    start_ns: int
    end_ns: int

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace}-{self.id}"


@dataclass
class Collector:
    """`status`: what it answers; no span is kept where it is none of success."""

    endpoint: str = ""
    status: int = 200
    spans: list[Span] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def environment(self) -> Mapping[str, str]:
        """Of a process that traces, and exports quickly."""
        return {
            "STREAMER_TRACING": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    def named(self, name: str, **attributes: Any) -> list[Span]:
        wanted = {f"streamer.{key}": value for key, value in attributes.items()}
        return [span for span in self.spans if span.name == name and wanted.items() <= span.attributes.items()]

    async def span(self, name: str, **attributes: Any) -> Span:
        """The first one of this name with these attributes of ours, as soon as it has come."""
        what = f"a span {name}; there are {sorted({span.name for span in self.spans})}"
        return (await until(lambda: self.named(name, **attributes), what=what))[0]

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.bodies.append(body)
        if self.status == 200:
            self.spans += read(body)
        return web.Response(status=self.status, content_type="application/x-protobuf")


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    made = Collector()
    app = web.Application(client_max_size=1 << 24)
    app.router.add_post("/v1/traces", made._take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield made
    finally:
        await runner.cleanup()


def read(body: bytes) -> list[Span]:
    """The spans of an OTLP request."""
    request = ExportTraceServiceRequest.FromString(body)
    return [
        _span(span, _values(resource.resource.attributes)["service.name"])
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _span(span: trace_pb2.Span, service: str) -> Span:
    return Span(
        name=span.name,
        service=service,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        links=[link.span_id.hex() for link in span.links],
        attributes=_values(span.attributes),
        is_error=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        events=len(span.events),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)
