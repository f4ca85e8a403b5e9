"""What clients sent and saw in a test.

A connection's name is the test's own; a client that reconnects is another connection. One that was greeted with
`welcome` speaks streamer.v1, any other is plain.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Event = tuple[str, Mapping[str, Any]]
Frame = Mapping[str, Any]


@dataclass(slots=True)
class Ledger:
    """What each connection sent and received, in its order."""

    history: dict[str, list[Event]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def sent(self, connection: str, frame: Frame) -> None:
        self.history.setdefault(connection, []).append(("sent", frame))

    def received(self, connection: str, frame: Frame) -> None:
        self.history.setdefault(connection, []).append(("received", frame))

    def lost(self, connection: str) -> None:
        """The connection ended before its requests did: nothing more is owed to it."""
        self.gone.add(connection)

    def frames(self, *types: str) -> Iterator[Frame]:
        """What all connections received, of these types."""
        for events in self.history.values():
            yield from received(events, *types)

    @property
    def acknowledged(self) -> set[str]:
        """Job ids."""
        return {frame["job_id"] for frame in self.frames("acknowledgment")}


def received(events: Iterable[Event], *types: str) -> Iterator[Frame]:
    """What a connection received, of these types."""
    return (frame for way, frame in events if way == "received" and frame["type"] in types)
