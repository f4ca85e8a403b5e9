"""The Python client.

async with connect("ws://127.0.0.1:8080/ws", token) as session:
    answer = await session.call("echo", {"message": "hi"})
    async for event in session.submit("generate_report", {...}):
        ...
"""

from streamer.client.control import Offer, Welcome
from streamer.client.errors import (
    CannotConnect,
    ClientError,
    ConnectionLost,
    HandshakeRefused,
    RequestFailed,
    Unwatched,
)
from streamer.client.events import (
    Acknowledged,
    Cancelling,
    Chunk,
    Completed,
    Event,
    Failed,
    Outcome,
    Problem,
    ProgressEvent,
    Response,
    Retrying,
)
from streamer.client.opening import connect
from streamer.client.session import Session
from streamer.client.submission import Submission

__all__ = [
    "Acknowledged",
    "Cancelling",
    "CannotConnect",
    "Chunk",
    "ClientError",
    "Completed",
    "ConnectionLost",
    "Event",
    "Failed",
    "HandshakeRefused",
    "Offer",
    "Outcome",
    "Problem",
    "ProgressEvent",
    "RequestFailed",
    "Response",
    "Retrying",
    "Session",
    "Submission",
    "Unwatched",
    "Welcome",
    "connect",
]
