"""Inline answers that were given a moment ago, for clients who lost their connection before one arrived."""

from typing import Final

from streamer.protocol import codec
from streamer.protocol.messages import Request

KEPT_S: Final = 60.0
MAX_ANSWER_BYTES: Final = 4_096
MAX_ENTRIES: Final = 10_000
MAX_BYTES: Final = 16 << 20

Key = tuple[str, str, str]
"""Tenant, user, and the id that the client gave."""
Answer = tuple[str, bytes]
"""The frame that asked, as it came, and the one that answered. A plain tuple of these is nothing to look through for
the garbage collector, and there is one per message."""


class Answers:
    """A bounded memory: at most 60 s, 10,000 answers of at most 4 KiB, 16 MiB.

    Two generations, each with half of that: when the young one is full or 30 s old, it becomes the old one, and the
    old one is forgotten as a whole. Remembering is then one write to a dict, with nothing to evict.
    """

    def __init__(self) -> None:
        self._young: dict[Key, Answer] = {}
        self._old: dict[Key, Answer] = {}
        self._size = 0  # bytes of the young ones
        self._until = 0.0  # monotonic time at which the young ones become old

    def remember(self, key: Key, question: str, frame: bytes, now: float) -> None:
        """`now`: monotonic seconds."""
        if len(frame) > MAX_ANSWER_BYTES:
            return
        self._size += len(question) + len(frame)
        young = self._young
        if now >= self._until or self._size > MAX_BYTES / 2 or len(young) >= MAX_ENTRIES / 2:
            young = self._turn(now)
            self._size = len(question) + len(frame)
        young[key] = (question, frame)

    def find(self, key: Key, now: float) -> Answer | None:
        if now >= self._until:
            self._turn(now)
        return self._young.get(key) or self._old.get(key)

    def _turn(self, now: float) -> dict[Key, Answer]:
        is_outdated = now >= self._until + KEPT_S / 2
        self._old, self._young = {} if is_outdated else self._young, {}
        self._size = 0
        self._until = now + KEPT_S / 2
        return self._young

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


def asks_the_same(question: str, message: Request) -> bool:
    """Whether an earlier frame called the same action with the same payload."""
    earlier = codec.parse(question)
    return isinstance(earlier, Request) and (earlier.action, earlier.payload) == (message.action, message.payload)
