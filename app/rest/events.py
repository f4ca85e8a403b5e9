"""Frames of one request as Server-Sent Events. Pure."""

import re
from typing import Final

import orjson

from streamer.errors import InvalidMessage
from streamer.protocol.codec import MAX_COUNT
from streamer.protocol.messages import Seen

KEEP_ALIVE: Final = ":"
"""In the place of a frame: a comment, so that nobody in between takes the stream for dead."""

_HEAD: Final = re.compile(
    r'\{"type":"(progress|chunk|retrying|complete|error)","request_id":"[^"]*","job_id":"[^"]*",'
    r'"attempt":(\d+),"seq":(\d+)(?:,"index":(\d+))?'
)
_ID: Final = re.compile(r"([0-9]{1,16})\.([0-9]{1,16})\.([0-9]{1,16})")
_ENDS: Final = frozenset({"complete", "error"})


def seen(last_event_id: str | None, request_id: str) -> Seen:
    """How much a client has that names the last event that it was sent. Raises InvalidMessage."""
    if not last_event_id:
        return Seen(request_id)
    found = _ID.fullmatch(last_event_id)
    counts = [] if found is None else [int(each) for each in found.groups()]
    if not counts or max(counts) > MAX_COUNT:
        raise InvalidMessage("Last-Event-ID must be the id of an event: attempt, seq and chunks, with dots between.")
    return Seen(request_id, *counts)


class Encoder:
    """Numbers events by what the client has after each. `chunks`: how many pieces of output it has by now."""

    def __init__(self, chunks: int) -> None:
        self.chunks = chunks
        self.is_over = False  # the outcome was encoded

    def event(self, text: str) -> bytes | None:
        """A frame as an event; None where it is none about a job."""
        if text == KEEP_ALIVE:
            return b":\n\n"
        found = _HEAD.match(text)
        if found is None:
            return None
        kind, attempt, seq, index = found.groups()
        self._count(kind, index, text)
        return f"event: {kind}\nid: {attempt}.{seq}.{self.chunks}\ndata: {text}\n\n".encode()

    def _count(self, kind: str, index: str | None, text: str) -> None:
        if kind == "chunk" and index is not None:
            self.chunks = int(index) + 1
        elif kind == "retrying":
            self.chunks = min(self.chunks, orjson.loads(text)["continues_from"])
        self.is_over = kind in _ENDS


def retry(ms: int) -> bytes:
    """After how long a client whose stream ends is to come again."""
    return b"retry: %d\n\n" % ms
