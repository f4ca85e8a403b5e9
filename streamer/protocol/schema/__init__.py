"""Every frame and HTTP body of the protocol as a pydantic model: what the contracts are made from.

They describe. The hot path reads by `protocol.codec` and writes by `protocol.frames`; a test holds both together.
"""

from streamer.protocol.schema.client import CLIENT_FRAMES, CLIENT_TYPES, ClientFrame, RequestFrame
from streamer.protocol.schema.server import PLAIN, SERVER_FRAMES, SERVER_TYPES, ServerFrame

__all__ = [
    "CLIENT_FRAMES",
    "CLIENT_TYPES",
    "PLAIN",
    "SERVER_FRAMES",
    "SERVER_TYPES",
    "ClientFrame",
    "RequestFrame",
    "ServerFrame",
]
