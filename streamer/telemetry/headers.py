"""Where in which trace a caller is, by the headers of its handshake; needs the extra `otel`."""

import re
from collections.abc import Mapping
from typing import Final

from opentelemetry.context import Context
from opentelemetry.propagators.aws import AwsXRayPropagator
from opentelemetry.propagators.aws.aws_xray_propagator import TRACE_HEADER_KEY

from streamer.telemetry import tracing

_XRAY: Final = AwsXRayPropagator()
_ROOT: Final = re.compile(r"(?:^|;)\s*Root=1-([0-9a-f]{8})-([0-9a-f]{24})\s*(?:;|$)")
"""All that an ALB says by itself: a trace, and no span in it."""


def context(headers: Mapping[str, str]) -> Context:
    """By `traceparent`, else by `X-Amzn-Trace-Id` where that names a parent. Names of headers are in lower case."""
    found = tracing.named(headers)
    given = headers.get(TRACE_HEADER_KEY.lower())
    return _XRAY.extract({TRACE_HEADER_KEY: given}, found) if given and not tracing.place(found).is_valid else found


def trace_id(headers: Mapping[str, str]) -> int | None:
    """The trace that `X-Amzn-Trace-Id` names, for where `context` finds no parent."""
    found = _ROOT.search(headers.get(TRACE_HEADER_KEY.lower(), ""))
    return None if found is None else int(found[1] + found[2], 16) or None
