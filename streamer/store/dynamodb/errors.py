"""What DynamoDB and the way to it may say, in our words: one table."""

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import ClientError as TransportError
from botocore.exceptions import BotoCoreError, ClientError

from streamer.errors import StoreUnavailable
from streamer.store.dynamodb.items import Item
from streamer.store.feed import Expired, Trimmed

CAUGHT: Final = (ClientError, BotoCoreError, TransportError, TimeoutError, OSError)
"""Everything that the SDK raises for an answer or for its absence. `asyncio.CancelledError` is none of them."""


class ConditionFailed(Exception):
    """The condition of a write did not hold. `item` is the row as it was, None where there was none."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition did not hold")
        self.item = item


class InvalidRequest(Exception):
    """DynamoDB calls a request invalid that we built: a bug of ours, never to be retried or swallowed."""


class Missing(StoreUnavailable):
    """The table, or the index, is not there (yet)."""


class Busy(StoreUnavailable):
    """Somebody is changing this table right now; or, of a stream: asked too often."""


TABLE: Final[Mapping[str, type[Exception]]] = {
    "ValidationException": InvalidRequest,
    "SerializationException": InvalidRequest,
    "ResourceNotFoundException": Missing,
    "ResourceInUseException": Busy,
    "LimitExceededException": Busy,
    "TrimmedDataAccessException": Trimmed,
    "ExpiredIteratorException": Expired,
}
"""Error code -> ours. Every other one (throttled, out of order, not allowed, unknown) is `StoreUnavailable`, and
the whole of it stays in the chain for the log."""


def translated(error: BaseException) -> Exception:
    """Raise it `from error`: the message is for a client, the cause for the log."""
    if not isinstance(error, ClientError):
        return StoreUnavailable()
    answer: Mapping[str, Any] = error.response
    code = answer.get("Error", {}).get("Code", "")
    if code == "ConditionalCheckFailedException":
        return ConditionFailed(answer.get("Item"))
    ours = TABLE.get(code, StoreUnavailable)
    return ours(str(error)) if ours is InvalidRequest else ours()
