"""One request as its client knows it, over all its connections. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.ledger import Frame

OUTCOMES: Final = ("complete", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a client asks for, what should come of it, and what else the client does about it meanwhile."""

    action: str
    payload: Mapping[str, Any]
    seconds: float  # from the acknowledgment to the outcome, where nothing goes wrong
    output: Sequence[Any] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    cancel_after_s: float | None = None  # None: it is not cancelled
    repeat_after_s: float | None = None  # None: it is sent once, as far as it is not refused or cut off


@dataclass(slots=True, eq=False)
class Errand:
    """An order under way. Times are of the loop's clock."""

    request_id: str
    order: Order
    gets_output: bool = True  # plain clients get no chunks
    unanswered: int = 0  # submits on the present connection that were neither acknowledged nor refused
    replaying: bool = False  # it was sent again after its outcome, which has not come again yet
    cancel_sent: bool = False
    acknowledged_at: float | None = None
    ended_at: float | None = None
    outcome: Frame | None = None
    place: tuple[int, int] = (0, 0)  # of its newest frame
    pieces: list[Any] = field(default_factory=list)  # output that stands
    troubles: list[str] = field(default_factory=list)  # what must not happen

    @property
    def is_settled(self) -> bool:
        """Whether nothing is to come any more."""
        return self.ended_at is not None and not self.unanswered and not self.replaying

    @property
    def is_running(self) -> bool:
        return self.acknowledged_at is not None and self.ended_at is None

    @property
    def excess_s(self) -> float:
        """How much longer it took than its handler and its delay, from the acknowledgment on."""
        assert self.acknowledged_at is not None
        assert self.ended_at is not None
        return self.ended_at - self.acknowledged_at - self.order.seconds

    def request(self) -> Frame:
        order = self.order
        frame = {"id": self.request_id, "action": order.action, "payload": order.payload}
        return {**frame, "options": order.options} if order.options else frame

    def seen(self) -> Frame:
        """What `resume` says of it."""
        attempt, seq = self.place
        return {"request_id": self.request_id, "attempt": attempt, "seq": seq, "chunks": len(self.pieces)}

    def cut_off(self) -> None:
        """The connection is gone, and with it what was to be answered there."""
        self.unanswered, self.replaying = 0, False

    def hear(self, frame: Frame, now: float) -> None:
        """A frame about it, other than a refusal."""
        if frame["type"] == "acknowledgment":
            self.unanswered = max(0, self.unanswered - 1)
            self.acknowledged_at = self.acknowledged_at or now
        elif self.ended_at is not None:
            self.replaying = self.replaying and frame["type"] not in OUTCOMES
        elif "attempt" in frame:
            self.place = max(self.place, (frame["attempt"], frame["seq"]))
            self._keep(frame, now)

    def _keep(self, frame: Frame, now: float) -> None:
        match frame["type"]:
            case "chunk":
                self._add(frame["index"], frame["data"])
            case "retrying":
                del self.pieces[frame.get("continues_from", 0) :]
            case "complete":
                self._end(frame, now)
                if self.gets_output and self.pieces != list(self.order.output):
                    self.troubles.append(f"the output is not what the handler made: {self.pieces}")
            case "error":
                self._end(frame, now)

    def _add(self, index: int, data: Any) -> None:
        if index != len(self.pieces):
            self.troubles.append(f"chunk {index} came, and {len(self.pieces)} is next")
        self.pieces[index:] = [data]

    def _end(self, frame: Frame, now: float) -> None:
        self.outcome, self.ended_at = frame, now
        self.acknowledged_at = self.acknowledged_at or now
