"""Log lines: events with fields, from structlog and from the standard library, through one chain to stdout."""

import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, Literal

import orjson
import structlog
from opentelemetry import trace
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

QUIET: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "botocore", "aiobotocore", "aioboto3", "websockets")
"""Loggers that speak from WARNING on. uvicorn's print paths with queries at INFO, and those may hold tokens."""


ALWAYS: Final = ("streamer.audit",)
"""Loggers that are heard from INFO on whatever the level is."""


def configure(format: Literal["auto", "json", "human"] = "auto", level: str = "INFO") -> None:  # noqa: A002 - as the setting is called
    """Sends the log lines of this process to stdout, from `level` on; called again, it replaces what was there.

    `auto` is `human` where stdout is a terminal, else `json`: one object per line, with `timestamp` (UTC, ISO 8601),
    `level`, `logger` and `event`.
    """
    structlog.configure(
        processors=[*_CHAIN, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(ProcessorFormatter(foreign_pre_chain=_CHAIN, processors=_rendering(format)))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
    for name in ALWAYS:
        logging.getLogger(name).setLevel(logging.INFO)


def _add_span(_: Any, __: str, event: EventDict) -> EventDict:
    """Of a line that is written inside of a span."""
    place = trace.get_current_span().get_span_context()
    if place.is_valid:
        event["trace_id"] = trace.format_trace_id(place.trace_id)
        event["span_id"] = trace.format_span_id(place.span_id)
    return event


_CHAIN: Final[Sequence[Processor]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _add_span,
)


def _rendering(format: str) -> Sequence[Processor]:  # noqa: A002 - as above
    terminal = sys.stdout.isatty()
    if format == "human" or (format == "auto" and terminal):
        colors = terminal and "NO_COLOR" not in os.environ  # https://no-color.org
        console = structlog.dev.ConsoleRenderer(
            colors=colors,
            exception_formatter=structlog.dev.plain_traceback,  # the pretty one prints local variables, and so secrets
        )
        return (ProcessorFormatter.remove_processors_meta, console)
    return (
        ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(serializer=_json),
    )


def _json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
