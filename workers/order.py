"""What is served next, of all that a look at the queues shows. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from streamer.jobs.fairness import OFFSET, Turns
from streamer.jobs.model import Priority

Wakeup = Literal["direct", "stream", "sweep", "slot"]

MAX_AHEAD: Final = OFFSET[Priority.LOW]
"""Rounds that timers may be ahead of ready jobs, as after a time in which nothing was ready; then they begin anew."""


@dataclass(frozen=True, slots=True)
class Lead:
    """A job that may be had. `due_ms`: when its timer was due, None for what was ready."""

    job_id: str
    queue: str
    action: str
    wakeup: Wakeup
    due_ms: int | None = None
    tenant: str = ""  # as far as we were told
    rank: int = 0  # virtual time of what was ready


class Order:
    """Ready jobs come by virtual time. A timer's time is another measure, so timers get their places here, by
    start-time fair queueing in the same rounds; so do the queues among each other, whose rounds are their own.
    """

    def __init__(self) -> None:
        self._timers: dict[str, Turns] = {}  # by queue
        self._queues = Turns(0)

    def best_first(self, found: Mapping[str, Sequence[Lead]]) -> list[Lead]:
        """What was found, by queue, in the order in which it should be served."""
        ranked = [
            (place, lead)
            for queue, leads in found.items()
            for place, lead in self._in_turn(queue, self._of_one(queue, leads))
        ]
        ranked.sort(key=lambda pair: pair[0])
        return [lead for _, lead in ranked]

    def taken(self, lead: Lead) -> None:
        """This job was started here: whom it belongs to had a turn."""
        self._queues.served(self._queues.next(lead.queue))
        if lead.due_ms is not None and lead.queue in self._timers:
            turns = self._timers[lead.queue]
            turns.served(turns.next(lead.tenant))

    def _in_turn(self, queue: str, leads: Sequence[Lead]) -> Iterable[tuple[int, Lead]]:
        return zip(self._queues.foreseen(queue for _ in leads), leads, strict=True)

    def _of_one(self, queue: str, leads: Sequence[Lead]) -> list[Lead]:
        """Where a timer and a ready job have the same place, the timer comes first: its job waited before."""
        ready = [lead for lead in leads if lead.due_ms is None]
        timers = sorted((lead for lead in leads if lead.due_ms is not None), key=lambda lead: lead.due_ms or 0)
        places = self._turns(queue, ready).foreseen(lead.tenant for lead in timers)
        ranked = [*zip(places, timers, strict=True), *((lead.rank, lead) for lead in ready)]
        ranked.sort(key=lambda pair: pair[0])
        return [lead for _, lead in ranked]

    def _turns(self, queue: str, ready: Sequence[Lead]) -> Turns:
        """Those of the timers, in the round of the first ready job."""
        turns = self._timers.setdefault(queue, Turns(0))
        if ready:
            first = min(lead.rank for lead in ready)
            if turns.now > first + MAX_AHEAD:
                turns = self._timers[queue] = Turns(first)
            turns.served(first)
        return turns
