"""What is said of an error that nobody meant to raise: nothing of it on the wire, all of it in the log."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import structlog

from app.connection import Connection
from streamer.errors import InternalError, StreamerError
from streamer.jobs import ids
from streamer.protocol import frames

log = structlog.get_logger()


def told(error: BaseException, **where: Any) -> StreamerError:
    """What a client may be told of `error`: itself, or an InternalError whose `error_id` the log has too."""
    if isinstance(error, StreamerError) and not isinstance(error, InternalError):
        return error
    error_id = ids.nonce()
    log.error("internal_error", error_id=error_id, exc_info=error, **where)
    return InternalError(details={"error_id": error_id})


def refuse(connection: Connection, error: BaseException, request_id: str | None) -> None:
    """Sends a refusal; a running request of that id goes on."""
    connection.outbox.put(frames.refusal(told(error), request_id, time.time()))


@contextlib.contextmanager
def answering(connection: Connection, request_id: str | None) -> Iterator[None]:
    """A frame of this client is being answered: it counts among those in flight, and an error is its refusal."""
    connection.in_flight += 1
    try:
        yield
    except Exception as error:  # noqa: BLE001  # the seam to the engine
        refuse(connection, error, request_id)
    finally:
        connection.in_flight -= 1
