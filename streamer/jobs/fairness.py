"""Who is next: a job's place in the ready queue."""

from typing import Final

from streamer.jobs.model import Priority

OFFSET_MS: Final = {Priority.HIGH: -10_000, Priority.NORMAL: 0, Priority.LOW: 60_000}
"""Priority is a head start in virtual time: high overtakes what came up to 10 s earlier, low steps back behind
what comes up to a minute later, and nobody waits forever."""


def virtual_time(now_ms: int, priority: Priority) -> int:
    """The rank of a job submitted now; smaller is served earlier."""
    return now_ms + OFFSET_MS[priority]
