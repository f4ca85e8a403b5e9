"""Who is dead: judged by counters that stopped, on the reader's own monotonic clock. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MIN_READS: Final = 4


@dataclass(slots=True)
class _Observation:
    beat: int
    since: float  # when the first read of this counter had been answered
    last: float  # when the newest one had been
    reads: int = 1


class DeathWatch:
    """Dead = the same counter in at least 4 successful reads that span at least `dead_s`, none more than 2 beat
    intervals after the one before.

    A failed or late read starts every observation again, so a store that is away, or a reader that was stopped,
    kills nobody. No two processes compare clocks (the method of the DynamoDB lock client and of the Kinesis
    Client Library).
    """

    def __init__(self, *, beat_s: float, dead_s: float) -> None:
        self._gap_s = 2 * beat_s
        self._dead_s = dead_s
        self._seen: dict[str, _Observation] = {}

    def saw(self, counters: Iterable[tuple[str, int]], *, asked: float, answered: float) -> list[str]:
        """Notes one successful read of (id, counter), made between two monotonic times. Returns who is dead."""
        before, self._seen = self._seen, {}
        for name, beat in counters:
            known = before.get(name)
            if known is None or known.beat != beat or answered - known.last > self._gap_s:
                known = _Observation(beat, answered, answered)
            else:
                known.reads, known.last = known.reads + 1, answered
            self._seen[name] = known
        return [name for name, known in self._seen.items() if self._is_dead(known, asked)]

    def missed(self) -> None:
        """A read failed: nothing that was seen before it counts."""
        self._seen.clear()

    def _is_dead(self, known: _Observation, asked: float) -> bool:
        return known.reads >= MIN_READS and asked - known.since >= self._dead_s
