"""An engine's side items as a dictionary, with a record of what was asked."""

from collections.abc import Callable, Sequence


class Shelf:
    """`store.engine.SideItems`."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self.items: dict[tuple[str, str], tuple[bytes, int]] = {}  # (partition, sort) -> (body, expires_ms)
        self.read: list[tuple[str, str, str, int]] = []

    async def put(self, partition: str, sort: str, body: bytes, expires_ms: int) -> None:
        self.items[partition, sort] = (body, expires_ms)

    async def between(self, partition: str, low: str, high: str, *, limit: int) -> Sequence[tuple[str, bytes]]:
        self.read.append((partition, low, high, limit))
        found = [
            (sort, body)
            for (place, sort), (body, expires_ms) in sorted(self.items.items())
            if place == partition and low <= sort <= high and expires_ms > self._clock()
        ]
        return found[:limit]

    async def delete(self, partition: str, sort: str) -> None:
        self.items.pop((partition, sort), None)
