"""How much of a job a client has seen. Pure."""

from typing import Any

from streamer.client.events import Chunk, Event, ProgressEvent, Retrying


class Position:
    """What tells a repeat from news, and what `resume` says to the server.

    State (progress, retrying) is told apart by `(attempt, seq)`, output by the index of its chunks alone.
    """

    __slots__ = ("attempt", "chunks", "seq")

    def __init__(self) -> None:
        self.attempt = 0  # of the newest frame; 0: none was seen
        self.seq = 0
        self.chunks = 0  # pieces of output that stand: the index of the next one

    def admit(self, event: Event) -> bool:
        """Whether the event is news; then it counts as seen."""
        if not self._is_news(event):
            return False
        if isinstance(event, Chunk):
            self.chunks = event.index + 1
        elif isinstance(event, Retrying):
            self.chunks = min(self.chunks, event.continues_from)
        self.attempt, self.seq = max((self.attempt, self.seq), (event.attempt, event.seq))
        return True

    def fields(self) -> dict[str, Any]:
        """The position in the protocol's words."""
        return {"attempt": self.attempt, "seq": self.seq, "chunks": self.chunks}

    def _is_news(self, event: Event) -> bool:
        if isinstance(event, Chunk):
            return event.index >= self.chunks
        if isinstance(event, ProgressEvent | Retrying) and event.job_id is not None:
            return (event.attempt, event.seq) > (self.attempt, self.seq)
        return True  # an inline request has no numbers
