"""One client's place to receive."""

import asyncio
from collections.abc import Iterable
from typing import Final

from app.limits import TokenBucket
from app.outbox import Outbox
from app.tracker import Frame, Tracker
from streamer.auth import Principal
from streamer.jobs.model import Progress
from streamer.protocol import frames
from streamer.protocol.frames import Place

WHOLE: Final = 100.0


class Connection:
    """A socket with who is behind it, what it waits for, and what it is still to be sent.

    Made by the endpoint when a socket is accepted, closed once; the hub knows it in between.
    """

    __slots__ = ("bucket", "connection_id", "in_flight", "outbox", "pending", "principal", "speaks_v1", "trackers")

    def __init__(
        self, connection_id: str, principal: Principal, outbox: Outbox, bucket: TokenBucket, *, speaks_v1: bool
    ) -> None:
        self.connection_id = connection_id
        self.principal = principal
        self.outbox = outbox
        self.bucket = bucket
        self.speaks_v1 = speaks_v1  # gets control frames
        self.in_flight = 0  # frames of the client that wait for an answer
        self.pending: dict[str, asyncio.Future[None]] = {}  # request id -> done when its newest submit is settled
        self.trackers: dict[str, Tracker] = {}  # job id -> what this connection waits for

    def track(self, job_id: str, request_id: str) -> Tracker:
        """The tracker of a job that this connection submits (again), with one more acknowledgment owed."""
        tracker = self.trackers.get(job_id)
        if tracker is None:
            tracker = Tracker(job_id, request_id, tells_retries=self.speaks_v1)
            self.trackers[job_id] = tracker
        tracker.expect()
        return tracker

    def acknowledge(self, tracker: Tracker, frame: bytes, now: float) -> None:
        """Sends an acknowledgment, and what was held for it."""
        self.outbox.put(frame)
        self._send(tracker, tracker.acknowledged(), now)

    def refuse(self, tracker: Tracker, now: float) -> None:
        """A submit was not stored: what was held goes to an earlier submit of the same job, if there is one."""
        self._send(tracker, tracker.refused(), now)

    def deliver(self, tracker: Tracker, frame: Frame, now: float) -> None:
        """Sends a frame of a job if it is its turn. `now`: Unix seconds."""
        self._send(tracker, tracker.take(frame), now)

    def _send(self, tracker: Tracker, given: Iterable[Frame], now: float) -> None:
        for frame in given:
            if frame.kind == "progress":
                self.outbox.put_newest(tracker.job_id, frame.body)
                continue
            if frame.kind == "outcome" and frames.is_complete(frame.body) and tracker.percentage < WHOLE:
                self.outbox.put_newest(tracker.job_id, _whole(tracker, frame, now))
            self.outbox.put(frame.body)
        if not tracker.is_wanted:
            self.trackers.pop(tracker.job_id, None)


def _whole(tracker: Tracker, outcome: Frame, now: float) -> bytes:
    """The last progress before a `complete`, under the number that every sender leaves free for it."""
    place = Place(tracker.request_id, tracker.job_id, outcome.attempt, outcome.seq - 1)
    return frames.progress(place, Progress(WHOLE), now)
