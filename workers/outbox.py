"""Outcomes that the stream showed, kept until it is clear whether the worker that wrote them lives to send them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from streamer.cluster.registry import Peers
from streamer.jobs.model import Job
from streamer.store.base import NodeRow, now_ms
from streamer.telemetry.metrics import Metrics

MAX_KEPT: Final = 10_000
GRACE_MS: Final = 2_000
"""So long a session that is not in the registry may be one that has just left, and has sent what it wrote."""
BEATS: Final = 2

Verdict = Literal["send", "drop", "wait"]


@dataclass(slots=True)
class Waiting:
    """`own`: our row in the registry as it was read last when this came. `beat` and `since`: its writer's counter at
    the first look that counts, and the loop's time then; None before."""

    session: str
    row: Job
    own: NodeRow | None
    beat: int | None = None
    since: float = 0.0


class Outbox:
    """Sends the outcomes of those who died between writing and sending. `send` is `Reports.outcome`.

    Keeps at most 10,000, of which the oldest go first. Sent twice is harmless: nodes drop what they have had.
    """

    def __init__(
        self,
        *,
        workers: Peers,
        send: Callable[[Job], Awaitable[None]],
        own_id: Callable[[], str],
        metrics: Metrics,
        beat_s: float,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._workers = workers
        self._send = send
        self._own_id = own_id
        self._metrics = metrics
        self._beat_s = beat_s
        self._clock = clock
        self._kept: dict[str, Waiting] = {}
        self._seen: NodeRow | None = None  # our own row, as the registry showed it at the newest look

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, session: str, row: Job) -> None:
        """An outcome that this session wrote. One that nobody listens to, or that is our own, is not kept."""
        if session == self._own_id() or not (row.routes or row.watch_version):
            return
        self._kept[row.job_id] = Waiting(session, row, self._workers.get(self._own_id()))
        if len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]

    async def run(self) -> None:
        """Looks once per beat, for ever."""
        while True:
            await asyncio.sleep(self._beat_s)
            await self.look()

    async def look(self) -> None:
        """Judges all, unless the registry was not read since the last look: our own row in it beats, too."""
        own = self._workers.get(self._own_id())
        if own is None or own == self._seen:
            return
        self._seen = own
        for waiting in list(self._kept.values()):
            verdict = self._verdict(waiting, own)
            if verdict == "wait":
                continue
            self._kept.pop(waiting.row.job_id, None)
            if verdict == "send":
                self._metrics.outcomes_resent.inc()
                await self._send(waiting.row)

    def _verdict(self, waiting: Waiting, own: NodeRow) -> Verdict:
        now = asyncio.get_running_loop().time()
        writer = self._workers.get(waiting.session)
        if writer is None:
            is_old = self._clock() - (waiting.row.ended_ms or 0) > GRACE_MS
            return "send" if is_old else "wait"
        if waiting.beat is None:
            if _is_read_since(waiting.own, own):
                waiting.beat, waiting.since = writer.beat, now
            return "wait"
        if writer.beat != waiting.beat:
            return "drop"
        return "send" if now - waiting.since > BEATS * self._beat_s else "wait"


def _is_read_since(before: NodeRow | None, own: NodeRow) -> bool:
    """Whether the registry was certainly asked after that: one beat of ours may have been on its way at that time, the
    next one was not. A counter that was read earlier may be followed by the last beats of a writer that is dead."""
    return before is None or before.node_id != own.node_id or own.beat >= before.beat + 2
