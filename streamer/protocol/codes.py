"""WebSocket close codes, and what they ask of a client."""

from enum import IntEnum
from typing import Final

VERSION_1: Final = "streamer.v1"
"""The subprotocol that asks for control frames."""
BEARER: Final = "bearer."
"""What a subprotocol entry that carries a token begins with; never echoed."""


class Close(IntEnum):
    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_TEXT = 1007
    POLICY = 1008
    TOO_BIG = 1009  # an inbound frame over the limit
    KEEP_ALIVE_LOST = 1011
    RESTARTING = 1012  # this node is leaving; reconnect
    TOO_SLOW = 1013  # you read too slowly; reconnect and resume
    TOKEN_EXPIRED = 4401  # reconnect with a new token
    TOO_MANY_MESSAGES = 4429
    TOKEN_REJECTED = 4500
    FORBIDDEN = 4503
    TOO_MANY_CONNECTIONS = 4504


_FINAL: Final = frozenset({1000, 1002, 1003, 1007, 1008, 1009, *range(4500, 5000)})


def may_reconnect(code: int) -> bool:
    """Whether a client should come back after this close code."""
    return code not in _FINAL
