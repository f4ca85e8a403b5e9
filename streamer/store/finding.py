"""What was found out about a thing that processes stand on, in plain words."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"  # it could not be told, or may be meant


@dataclass(frozen=True, slots=True)
class Finding:
    """`check`: a word for what was looked at; `what` was seen there, a sentence; `remedy`: what to do about it."""

    check: str
    verdict: Verdict
    what: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """Of a store. `can_be_read`: its tables are there. `offset_s`: by how much our clock is certainly ahead of the
    store's; None where nothing tells."""

    findings: Sequence[Finding]
    can_be_read: bool = False
    offset_s: float | None = None


def ok(check: str, what: str) -> Finding:
    return Finding(check, Verdict.OK, what)


def wrong(check: str, what: str, remedy: str) -> Finding:
    return Finding(check, Verdict.WRONG, what, remedy)


def unknown(check: str, what: str, remedy: str = "") -> Finding:
    return Finding(check, Verdict.UNKNOWN, what, remedy)
