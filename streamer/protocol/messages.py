"""What a client may say, after reading: one value per frame type."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from streamer.jobs.model import Priority


class Mode(StrEnum):
    AUTO = "auto"  # the action's estimate decides
    INLINE = "inline"
    QUEUED = "queued"


@dataclass(frozen=True, slots=True)
class Options:
    priority: Priority = Priority.NORMAL
    delay_ms: int = 0
    mode: Mode = Mode.AUTO


DEFAULT_OPTIONS = Options()


@dataclass(slots=True)
class Request:
    """Call an action. `request_id` is None where the client left it to the server."""

    request_id: str | None
    action: str
    payload: Any
    metadata: Mapping[str, Any] | None
    options: Options


@dataclass(slots=True)
class Cancel:
    request_id: str


@dataclass(slots=True)
class Ping:
    ping_id: str | int | None


Message = Request | Cancel | Ping
