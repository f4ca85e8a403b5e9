"""What a caller prefers (RFC 7240). Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

MAX_WAIT_S: Final = 60


@dataclass(frozen=True, slots=True)
class Wishes:
    """`wait_s`: for so long, at most 60 s, the outcome of a queued request may take; 0: it is not waited for."""

    respond_async: bool = False
    wait_s: int = 0

    def applied(self, *, is_queued: bool, is_pending: bool) -> dict[str, str]:
        """The header that says what was done of it."""
        done = []
        if self.respond_async and is_pending:
            done.append("respond-async")
        if self.wait_s and is_queued:
            done.append(f"wait={self.wait_s}")
        return {"preference-applied": ", ".join(done)} if done else {}


def read(prefer: Iterable[str]) -> Wishes:
    """From the values of `Prefer`. What is not understood is passed over, and of two alike the first counts."""
    given: dict[str, str] = {}
    for name, value in _preferences(prefer):
        given.setdefault(name, value)
    wait = given.get("wait", "")
    wait_s = min(int(wait), MAX_WAIT_S) if wait.isascii() and wait.isdecimal() and len(wait) < _LONG else 0
    return Wishes("respond-async" in given, wait_s)


_LONG: Final = 10


def _preferences(prefer: Iterable[str]) -> Iterator[tuple[str, str]]:
    for each in ",".join(prefer).split(","):
        name, _, value = each.partition(";")[0].partition("=")
        yield name.strip().lower(), value.strip().strip('"')
