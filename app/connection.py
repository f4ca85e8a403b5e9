"""One client's place to receive."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

from app.limits import Allowance
from app.outbox import Outbox
from app.tracker import Frame, Tracker
from streamer.auth import Principal
from streamer.jobs.model import Progress
from streamer.protocol import frames
from streamer.protocol.frames import Place
from streamer.protocol.messages import Seen

WHOLE: Final = 100.0


class Connection:
    """A socket or a call with who is behind it, what it waits for, and what it is still to be sent.

    Made when a socket is accepted or a call comes in, closed once; the hub knows it in between where it `listens`.
    """

    __slots__ = (
        "_on_gap",
        "allowance",
        "connection_id",
        "in_flight",
        "is_expired",
        "listens",
        "opened",
        "outbox",
        "pending",
        "principal",
        "reconnects",
        "renewals",
        "renewed",
        "speaks_v1",
        "trackers",
    )

    def __init__(
        self,
        connection_id: str,
        principal: Principal,
        outbox: Outbox,
        allowance: Allowance,
        *,
        speaks_v1: bool,
        on_gap: "OnGap",
        listens: bool = True,
    ) -> None:
        self.connection_id = connection_id  # changes when a client takes its former one up again, before it asks more
        self.reconnects = 0  # how often its client came back with this id
        self.opened = time.monotonic()
        self.principal = principal  # of the newest token: whoever asks what it may reads it anew for each frame
        self.is_expired = False  # that token's time is over; set by `expiry`
        self.renewals = 0  # tokens that it was given since
        self.renewed: Callable[[], None] = _nothing  # told of each
        self.outbox = outbox
        self.allowance = allowance
        self.speaks_v1 = speaks_v1  # gets control frames
        self.listens = listens  # False: nobody waits behind it for more than the answer to its one frame
        self.in_flight = 0  # frames of the client that wait for an answer
        self.pending: dict[str, asyncio.Future[None]] = {}  # request id -> done when its newest submit is settled
        self.trackers: dict[str, Tracker] = {}  # job id -> what this connection waits for
        self._on_gap = on_gap  # told once of a tracker that begins to need the log

    @property
    def is_fresh(self) -> bool:
        """Whether nothing goes by its id yet."""
        return not self.trackers and not self.pending

    def track(self, job_id: str, request_id: str) -> Tracker:
        """The tracker of a job that this connection submits (again), with one more acknowledgment owed."""
        tracker = self.trackers.get(job_id)
        if tracker is None:
            tracker = self.trackers[job_id] = Tracker(job_id, request_id, speaks_v1=self.speaks_v1)
        elif tracker.is_watcher:
            tracker.belongs(request_id)
        tracker.expect()
        return tracker

    def resume(
        self, job_id: str, seen: Seen, *, wants: frozenset[str] | None = None, let_in: bool = False
    ) -> Tracker | None:
        """The tracker of a job of which the client has so much; it holds everything until it was filled.

        None where this connection has one already. `let_in`: it watches the job, as `wants` (frame types) says.
        """
        if job_id in self.trackers:
            return None
        tracker = Tracker(job_id, seen.request_id, speaks_v1=self.speaks_v1, wants=wants, is_watcher=let_in)
        tracker.resumed(seen)
        self.trackers[job_id] = tracker
        return tracker

    def forget(self, tracker: Tracker) -> None:
        """Nothing more of this job is sent here."""
        if self.trackers.get(tracker.job_id) is tracker:
            del self.trackers[tracker.job_id]

    def acknowledge(self, tracker: Tracker, frame: bytes, now: float) -> None:
        """Sends an acknowledgment, and what was held for it."""
        self.outbox.put(frame)
        self.pass_on(tracker, tracker.acknowledged(), now)

    def refuse(self, tracker: Tracker, now: float) -> None:
        """A submit was not stored: what was held goes to an earlier submit of the same job, if there is one."""
        self.pass_on(tracker, tracker.refused(), now)

    def deliver(self, tracker: Tracker, frame: Frame, now: float) -> None:
        """Sends a frame of a job if it is its turn. `now`: Unix seconds."""
        self.pass_on(tracker, tracker.take(frame), now)

    def pass_on(self, tracker: Tracker, given: Iterable[Frame], now: float) -> None:
        """Sends what a tracker gives; tells where it needs the log to go on."""
        for frame in given:
            body = frames.as_known_by(frame.body, tracker.request_id) if tracker.is_watcher else frame.body
            if frame.kind == "progress":
                self.outbox.put_newest(tracker.job_id, body)
                continue
            if frame.kind == "outcome" and frames.is_complete(body) and _lacks_whole(tracker):
                self.outbox.put_newest(tracker.job_id, _whole(tracker, frame, now))
            self.outbox.put(body)
        if not tracker.is_wanted:
            self.forget(tracker)
        elif tracker.filling and not tracker.is_served:
            tracker.is_served = True
            self._on_gap(self, tracker)


OnGap = Callable[[Connection, Tracker], None]


def _nothing() -> None:
    """Nobody has to be told."""


def _lacks_whole(tracker: Tracker) -> bool:
    return tracker.percentage < WHOLE and tracker.wants("progress")


def _whole(tracker: Tracker, outcome: Frame, now: float) -> bytes:
    """The last progress before a `complete`, under the number that every sender leaves free for it."""
    place = Place(tracker.request_id, tracker.job_id, outcome.attempt, outcome.seq - 1)
    return frames.progress(place, Progress(WHOLE), now)
