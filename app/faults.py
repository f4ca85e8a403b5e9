"""What is said of an error that nobody meant to raise: nothing of it on the wire, all of it in the log."""

from typing import Any

import structlog

from streamer.errors import InternalError, StreamerError
from streamer.jobs import ids

log = structlog.get_logger()


def told(error: BaseException, **where: Any) -> StreamerError:
    """What a client may be told of `error`: itself, or an InternalError whose `error_id` the log has too."""
    if isinstance(error, StreamerError) and not isinstance(error, InternalError):
        return error
    error_id = ids.nonce()
    log.error("internal_error", error_id=error_id, exc_info=error, **where)
    return InternalError(details={"error_id": error_id})
