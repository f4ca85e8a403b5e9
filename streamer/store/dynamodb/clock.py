"""What the `Date` of DynamoDB's answers tells about the wall clock of this machine."""

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from streamer.store.dynamodb.client import Answer, Send
from streamer.store.dynamodb.requests import Request

RESOLUTION_MS: Final = 1_000
"""A `Date` has whole seconds (RFC 9110, section 5.6.7)."""


class DateCompared:
    """`offset_s`: by how many seconds our clock is certainly ahead, negative: behind, as of the newest answer; 0 where
    it may be right, None before any answer.

    For a client that sends once: with retries the time of the call says less about the time of its answer.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self.offset_s: float | None = None
        self._clock = clock

    def watching(self, send: Send) -> Send:
        """The same, with a look at each answer; a refusal is one too."""

        async def watched(operation: str, request: Request) -> Answer:
            sent_ms = self._clock()
            try:
                answer = await send(operation, request)
            except ClientError as error:
                self._compare(error.response, sent_ms)
                raise
            self._compare(answer, sent_ms)
            return answer

        return watched

    def _compare(self, answer: Mapping[str, Any], sent_ms: int) -> None:
        dated = _date(answer)
        if dated is not None:
            date_ms = int(dated.timestamp() * 1000)
            self.offset_s = certain_offset_ms(sent_ms, self._clock(), date_ms) / 1000


def certain_offset_ms(sent_ms: int, received_ms: int, date_ms: int) -> int:
    """The offset nearest to 0 that an answer leaves possible: it was dated at some time between sending and
    receiving, and up to a second after its `Date`."""
    least, most = sent_ms - (date_ms + RESOLUTION_MS), received_ms - date_ms
    return max(least, 0) + min(most, 0)


def _date(answer: Mapping[str, Any]) -> datetime | None:
    """None where something on the way took the header away, or wrote what is no date."""
    text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None
