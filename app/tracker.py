"""What one connection has been told of one job, and what it may be told next. Pure: no clock, no I/O."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from streamer.jobs import output
from streamer.jobs.model import WAITING, Job
from streamer.protocol.messages import Seen

Kind = Literal["progress", "chunk", "retrying", "outcome"]
Position = tuple[int, int]

MAX_HELD: Final = 64
MAX_HELD_BYTES: Final = 1 << 18
"""Of live chunks that wait for older ones; the log has those that are dropped."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of a job with what must be known to judge it.

    `percentage` is None where it has none. `chunks`: how many pieces of output come before it; of a chunk its own
    index, of `retrying` how many stand, of an outcome all.
    """

    kind: Kind
    attempt: int
    seq: int
    body: bytes
    percentage: float | None = None
    chunks: int = 0

    @property
    def position(self) -> Position:
        return self.attempt, self.seq


class Tracker:
    """Keeps a job's frames to one connection in order.

    * What is not after the last position sent is dropped; the first outcome is taken whatever its number, and
      nothing after it.
    * Chunks go out by their index, none skipped and none twice. A frame that says that more of them come before it
      than were sent is held, and the tracker is `filling`: somebody reads the log for it.
    * While an acknowledgment is owed, or the tracker is filling, frames are held: the newest progress, the newest
      `retrying`, the outcome, and the newest run of chunks.
    * The percentage never falls: progress below what was sent is dropped. `retrying` starts it anew for a client
      that is told of it; a plain client is not.
    """

    __slots__ = (
        "_attempt",
        "_held",
        "_last",
        "_owed",
        "_percentage",
        "_run",
        "_speaks_v1",
        "_submits",
        "_tells_retries",
        "_wants",
        "chunks",
        "done",
        "filling",
        "heard",
        "is_served",
        "is_strangers",
        "is_watched",
        "is_watcher",
        "job_id",
        "request_id",
        "takes_chunks",
    )

    def __init__(
        self,
        job_id: str,
        request_id: str,
        *,
        speaks_v1: bool,
        wants: frozenset[str] | None = None,
        is_watcher: bool = False,
    ) -> None:
        self.job_id = job_id
        self.request_id = request_id  # by which this connection knows the job
        self.is_watcher = is_watcher  # was let in by `subscribe`, whoever the job belongs to
        self.is_strangers = False  # another user's, which this one watches by permission; set by `watch`
        self.takes_chunks = False  # set by `_choose`
        self.chunks = 0  # pieces of output that were sent: the index of the next one
        self.done = False  # the outcome was given out
        self.filling = False  # frames are held until the log has given what comes before them
        self.is_served = False  # somebody is at it; set by whoever does it, read by the connection
        self.heard = 0.0  # monotonic seconds of the newest sign of life; written by the hub, read by `reread`
        self.is_watched = False  # `reread` looks after it
        self._speaks_v1 = speaks_v1
        self._choose(wants)
        self._owed = 0  # submits whose acknowledgment was not sent yet
        self._submits = 0  # submits that were acknowledged and wait for the outcome
        self._last: Position = (0, 0)
        self._attempt = 0  # for which what was sent of the output is good; 0: nothing was sent
        self._percentage = 0.0  # newest that was sent
        self._held: dict[Kind, Frame] = {}
        self._run: deque[Frame] = deque()  # consecutive chunks of one attempt

    def _choose(self, wants: frozenset[str] | None) -> None:
        self._wants = wants  # frame types; None: all
        self.takes_chunks = self._speaks_v1 and (wants is None or "chunk" in wants)
        self._tells_retries = self.takes_chunks or (self._speaks_v1 and (wants is None or "retrying" in wants))

    # --- submits, and coming back ---------------------------------------------------------------------------

    def belongs(self, request_id: str) -> None:
        """The connection asks for the job itself: it gets everything, under the id that it gave."""
        self.request_id, self.is_watcher = request_id, False
        self._choose(None)

    def expect(self) -> None:
        """A submit was sent to the store; its acknowledgment comes before anything else."""
        self._owed += 1

    def begin_at(self, percentage: float) -> None:
        """The client was told of so much before the request was queued: it is not told of less."""
        self._percentage = max(self._percentage, percentage)

    def acknowledged(self) -> Iterator[Frame]:
        """The acknowledgment was sent. Gives what was held for it."""
        self._submits += 1
        return self._settled()

    def refused(self) -> Iterator[Frame]:
        """The submit failed. Gives what was held, where an earlier submit waits for it."""
        return self._settled()

    def resumed(self, seen: Seen) -> None:
        """The client has so much already; everything is held until the log was read."""
        self._submits += 1
        self._attempt, self._last, self.chunks = seen.attempt, (seen.attempt, seen.seq), seen.chunks
        self.filling = self.is_served = True

    @property
    def is_wanted(self) -> bool:
        """Whether this connection still waits for something."""
        return not self.done and bool(self._owed or self._submits)

    def _settled(self) -> Iterator[Frame]:
        self._owed -= 1
        if not self._owed and self._submits:
            yield from self._release()

    # --- frames ---------------------------------------------------------------------------------------------

    def is_stale(self, frame: Frame) -> bool:
        """Whether the frame comes too late to be told: of an attempt that is over, or told before."""
        if self.done or frame.kind == "outcome":
            return self.done
        if frame.kind == "chunk":
            return frame.attempt < self._attempt or frame.chunks < self.chunks
        is_over = frame.kind == "progress" and frame.attempt < self._attempt
        return is_over or frame.position <= self._last

    def take(self, frame: Frame) -> Iterator[Frame]:
        """Gives what is to be sent now: the frame, or nothing. `filling` may be set afterwards."""
        if self.is_stale(frame) or (frame.kind == "chunk" and not self.takes_chunks):
            return
        if not self._owed and self._has_gap(frame):  # else it shows when what is held is released
            self.filling = True
        if self._owed or self.filling:
            self._hold(frame)
        else:
            yield from self._give(frame)

    @property
    def percentage(self) -> float:
        """The newest percentage that was sent; 0 before the first."""
        return self._percentage

    def _has_gap(self, frame: Frame) -> bool:
        """Whether something comes before it that was not sent; of another attempt: that may be void by now."""
        is_known = frame.kind == "retrying" and frame.attempt < self._attempt  # a row has told of that end
        if not self.takes_chunks or is_known:
            return False
        is_elsewhere = bool(self.chunks and self._attempt) and frame.attempt != self._attempt
        return is_elsewhere or frame.chunks > self.chunks

    def _give(self, frame: Frame) -> Iterator[Frame]:
        if frame.kind == "outcome":
            self.done = True
        elif frame.kind == "chunk":
            self.chunks = frame.chunks + 1
        elif not self._may_say(frame):
            return
        if frame.kind == "retrying":
            self.chunks = min(self.chunks, frame.chunks)
        self._attempt = max(self._attempt, frame.attempt + (frame.kind == "retrying"))
        self._last = max(self._last, frame.position)
        if self.wants(frame.kind):
            yield frame

    def wants(self, kind: Kind) -> bool:
        """Whether frames of this kind are sent."""
        if self._wants is None or kind == "outcome":
            return True
        return self._tells_retries if kind == "retrying" else kind in self._wants

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

    # --- holding --------------------------------------------------------------------------------------------

    def _hold(self, frame: Frame) -> None:
        if frame.kind == "chunk":
            self._hold_chunk(frame)
            return
        held = self._held.get(frame.kind)
        if held is not None and (frame.kind == "outcome" or frame.position <= held.position):
            return
        self._held[frame.kind] = frame
        if frame.kind == "retrying":
            self._run.clear()  # void, or in the log
            progress = self._held.get("progress")
            if progress is not None and progress.position < frame.position:
                del self._held["progress"]

    def _hold_chunk(self, frame: Frame) -> None:
        run = self._run
        if run and (frame.attempt, frame.chunks) != (run[-1].attempt, run[-1].chunks + 1):
            if (frame.attempt, frame.chunks) <= (run[-1].attempt, run[-1].chunks):
                return
            run.clear()
        run.append(frame)
        while len(run) > MAX_HELD or sum(len(each.body) for each in run) > MAX_HELD_BYTES:
            run.popleft()

    def _release(self) -> Iterator[Frame]:
        """Takes what was held, in its order; what then shows a gap is held again."""
        held, self._held = self._held, {}
        run, self._run = self._run, deque()
        last = held.pop("outcome", None)
        for frame in sorted((*run, *held.values()), key=lambda each: each.position):
            yield from self.take(frame)
        if last is not None:
            yield from self.take(last)

    # --- filling --------------------------------------------------------------------------------------------

    def begin_filling(self) -> None:
        """Holds everything from now on; the caller is at it."""
        self.filling = self.is_served = True

    def void_from(self, job: Job) -> int | None:
        """How much of the output stands, by this row, where more than that was sent; None: all does."""
        if not self._attempt:
            return None
        standing = output.continues_from(job, self._attempt)
        return standing if standing is not None and standing < self.chunks else None

    def stands(self, job: Job) -> None:
        """What was sent, less what was told to be void, is good for the attempt of this row, or the one after it."""
        self._attempt = max(self._attempt, job.attempt + (job.status in WAITING))

    def next_position(self, job: Job) -> Position:
        """Where a `retrying` stands that tells of the end of the attempt that this connection is at."""
        attempt, seq = self._attempt, self._last[1] if self._last[0] == self._attempt else 0
        row_seq = job.seq - job.finished if job.attempt == attempt else 0  # its outcome has the number of the row
        return attempt, max(seq + 1, row_seq)

    def voided(self, frame: Frame) -> Iterator[Frame]:
        """`retrying`, as made from a row; where the one that was sent says the same and is held, that one."""
        held = self._held.get("retrying")
        if held is not None and (held.attempt, held.chunks) == (frame.attempt, frame.chunks):
            frame = self._held.pop("retrying")
        yield from self._give(frame)

    def fill(self, frame: Frame) -> Iterator[Frame]:
        """A chunk of the log; what is held and comes before it goes first. It may skip what has expired."""
        for held in sorted(self._held.values(), key=lambda each: each.position):
            is_next = held.kind != "outcome" and held.position < frame.position and held.chunks <= self.chunks
            if is_next:
                del self._held[held.kind]
                if not self.is_stale(held):
                    yield from self._give(held)
        if frame.chunks >= self.chunks:
            yield from self._give(frame)

    def skip_to(self, chunks: int) -> None:
        """Nothing below this is stored any more."""
        self.chunks = max(self.chunks, chunks)

    def end_filling(self) -> Iterator[Frame]:
        """The log has been read to its end. Gives what was held; `filling` is set again where that was not enough."""
        self.filling = False
        if not self._owed:
            yield from self._release()
