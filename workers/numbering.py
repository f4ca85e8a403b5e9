"""The numbers that the frames of one attempt carry."""

from dataclasses import dataclass


@dataclass(slots=True)
class Numbering:
    """One count for progress, chunks, checkpoints and the outcome alike; counted on the loop only.

    `chunks`: pieces of output so far, those that stand from earlier attempts included; the index of the next one.
    `seq`: the number of the newest frame. `stored`: the highest that the row may have.
    """

    chunks: int
    seq: int = 0
    stored: int = 0

    def next(self) -> int:
        """The number of the next frame, from 1."""
        self.seq += 1
        return self.seq

    def next_index(self) -> int:
        """The index of the next piece of output."""
        self.chunks += 1
        return self.chunks - 1
