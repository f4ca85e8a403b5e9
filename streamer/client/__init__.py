"""The Python client.

async with connect("ws://127.0.0.1:8080/ws", token) as session:
    answer = await session.call("echo", {"message": "hi"})
    async for event in session.submit("generate_report", {...}):
        ...
"""

from streamer.client.errors import CannotConnect, ClientError, ConnectionLost, HandshakeRefused, RequestFailed
from streamer.client.events import (
    Acknowledged,
    Cancelling,
    Completed,
    Event,
    Failed,
    Outcome,
    Problem,
    ProgressEvent,
    Response,
    Retrying,
    Welcome,
)
from streamer.client.handshake import connect
from streamer.client.session import Session
from streamer.client.submission import Submission

__all__ = [
    "Acknowledged",
    "Cancelling",
    "CannotConnect",
    "ClientError",
    "Completed",
    "ConnectionLost",
    "Event",
    "Failed",
    "HandshakeRefused",
    "Outcome",
    "Problem",
    "ProgressEvent",
    "RequestFailed",
    "Response",
    "Retrying",
    "Session",
    "Submission",
    "Welcome",
    "connect",
]
