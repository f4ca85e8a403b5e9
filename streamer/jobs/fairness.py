"""Who is next: start-time fair queueing between tenants (Goyal, Vin and Cheng, SIGCOMM 1996). Pure.

Every job gets a place in virtual time, which counts rounds: in a round each tenant that has work waiting is served
once. So a job of a tenant with 5,000 waiting comes 5,000 rounds later, and another tenant's first job in the very
next one; a tenant whose burst has drained has no debts.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from streamer.jobs.model import Priority

OFFSET: Final[Mapping[Priority, int]] = {Priority.HIGH: -10, Priority.NORMAL: 0, Priority.LOW: 100}
"""Rounds that a priority is ahead or behind. High is also counted by itself, so it does not wait behind what its own
tenant has waiting; low comes after that, and a hundred rounds later, so it is never starved."""

MAX_FLOWS: Final = 10_000


class Turns:
    """The places of one queue, as far as one process gives them out.

    `now`: the virtual time of the newest job that was started, wherever; it never goes back. Tenants that several
    processes submit for are counted by each of them.
    """

    def __init__(self, now: int) -> None:
        self.now = now
        self._last: dict[tuple[str, Priority], int] = {}  # the newest place given out, offsets aside
        self._max_flows = MAX_FLOWS  # grows only with tenants that do have jobs waiting

    def next(self, tenant: str, priority: Priority = Priority.NORMAL, *, is_counted: bool = True) -> int:
        """The place of this tenant's next job; smaller is served earlier. One that is not counted takes no place: it
        waits for a time, and not for its turn."""
        behind = [self._last.get((tenant, priority), self.now - 1)]
        if priority is Priority.LOW:
            behind.append(self._last.get((tenant, Priority.NORMAL), self.now - 1))
        place = max(self.now, max(behind) + 1)
        if is_counted:
            self._note((tenant, priority), place)
        return place + OFFSET[priority]

    def foreseen(self, tenants: Iterable[str]) -> list[int]:
        """The places that these tenants' jobs would get, one after the other; none is given out."""
        ahead = Turns(self.now)
        ahead._last = dict(self._last)
        return [ahead.next(tenant) for tenant in tenants]

    def served(self, virtual_time: int) -> None:
        """A job of this place was started, here or elsewhere."""
        self.now = max(self.now, virtual_time)

    def _note(self, flow: tuple[str, Priority], place: int) -> None:
        if len(self._last) >= self._max_flows:
            self._forget()
        self._last[flow] = place

    def _forget(self) -> None:
        """Whoever has nothing waiting begins at `now` in any case."""
        self._last = {flow: place for flow, place in self._last.items() if place >= self.now}
        self._max_flows = max(MAX_FLOWS, 2 * len(self._last))
