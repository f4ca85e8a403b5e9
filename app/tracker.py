"""What one connection has been told of one job, and what it may be told next. Pure: no clock, no I/O."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["progress", "retrying", "outcome"]
Position = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of a job with what must be known to judge it. `percentage` is None where it has none."""

    kind: Kind
    attempt: int
    seq: int
    body: bytes
    percentage: float | None = None

    @property
    def position(self) -> Position:
        return self.attempt, self.seq


class Tracker:
    """Keeps a job's frames to one connection in order.

    * What is not after the last position sent is dropped; the first outcome is taken whatever its number, and
      nothing after it.
    * While an acknowledgment is owed, frames that overtook it are held: the newest progress, the newest
      `retrying`, and the outcome.
    * The percentage never falls: progress below what was sent is dropped. `retrying` starts it anew for a client
      that is told of it; a plain client is not.
    """

    __slots__ = (
        "_held",
        "_last",
        "_owed",
        "_percentage",
        "_submits",
        "_tells_retries",
        "done",
        "heard",
        "is_watched",
        "job_id",
        "request_id",
    )

    def __init__(self, job_id: str, request_id: str, *, tells_retries: bool) -> None:
        self.job_id = job_id
        self.request_id = request_id
        self.done = False  # the outcome was given out
        self.heard = 0.0  # monotonic seconds of the newest sign of life; written by the hub, read by `reread`
        self.is_watched = False  # `reread` looks after it
        self._tells_retries = tells_retries
        self._owed = 0  # submits whose acknowledgment was not sent yet
        self._submits = 0  # submits that were acknowledged and wait for the outcome
        self._last: Position = (0, 0)
        self._percentage = 0.0  # newest that was sent
        self._held: dict[Kind, Frame] = {}

    # --- submits --------------------------------------------------------------------------------------------

    def expect(self) -> None:
        """A submit was sent to the store; its acknowledgment comes before anything else."""
        self._owed += 1

    def acknowledged(self) -> Iterator[Frame]:
        """The acknowledgment was sent. Gives what was held for it."""
        self._submits += 1
        return self._settled()

    def refused(self) -> Iterator[Frame]:
        """The submit failed. Gives what was held, where an earlier submit waits for it."""
        return self._settled()

    @property
    def is_wanted(self) -> bool:
        """Whether any submit of this connection still waits for something."""
        return not self.done and bool(self._owed or self._submits)

    def _settled(self) -> Iterator[Frame]:
        self._owed -= 1
        if self._owed or not self._submits:
            return
        held, self._held = self._held, {}
        for kind in ("retrying", "progress", "outcome"):
            if kind in held:
                yield from self.take(held[kind])

    # --- frames ---------------------------------------------------------------------------------------------

    def is_stale(self, frame: Frame) -> bool:
        """Whether the frame comes too late to be told: of an attempt that is over, or told before."""
        return self.done or (frame.kind != "outcome" and frame.position <= self._last)

    def take(self, frame: Frame) -> Iterator[Frame]:
        """Gives what is to be sent now: the frame, or nothing."""
        if self.is_stale(frame):
            return
        if self._owed:
            self._hold(frame)
        elif frame.kind == "outcome":
            self.done = True
            yield frame
        elif self._may_say(frame):
            self._last = frame.position
            yield frame

    @property
    def percentage(self) -> float:
        """The newest percentage that was sent; 0 before the first."""
        return self._percentage

    def _may_say(self, frame: Frame) -> bool:
        if frame.kind == "retrying":
            if self._tells_retries:
                self._percentage = 0.0
            return self._tells_retries
        percentage = frame.percentage or 0.0
        if percentage < self._percentage:
            return False
        self._percentage = percentage
        return True

    def _hold(self, frame: Frame) -> None:
        held = self._held.get(frame.kind)
        if held is not None and (frame.kind == "outcome" or frame.position <= held.position):
            return
        self._held[frame.kind] = frame
        progress = self._held.get("progress")
        if frame.kind == "retrying" and progress is not None and progress.position < frame.position:
            del self._held["progress"]
