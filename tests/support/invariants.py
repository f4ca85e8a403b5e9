"""What must be true after any test, however chaotic: a record of what clients sent and saw, and the check of it.

    ledger = Ledger()
    ledger.sent("c1", {"action": "report", "id": "r1"})
    ledger.received("c1", {"type": "acknowledgment", ...})
    ...
    await check(ledger, store)

A connection's name is the test's own; a client that reconnects is another connection.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from streamer.jobs.dispatch import Kind
from streamer.jobs.model import Job, Status
from streamer.store.base import Store
from tests.support import index

Frame = Mapping[str, Any]

_OUTCOME_OF: Final = {Status.COMPLETED: "complete", Status.FAILED: "error", Status.CANCELLED: "error"}


@dataclass(slots=True)
class _Request:
    """One request id on one connection, as its client knows it."""

    unanswered: int = 0  # submits that were neither acknowledged, answered nor refused
    joined: bool = False  # an inline answer came while more than one submit was waiting: it may be for all of them
    running: bool = False  # acknowledged, and no outcome yet
    cancels: int = 0  # cancels that were not answered
    place: tuple[int, int] = (0, 0)  # of the last frame of the running job
    percentage: float = 0.0  # of the last progress since the last `retrying`


@dataclass(slots=True)
class Ledger:
    """What each connection sent and received, in its order."""

    history: dict[str, list[tuple[str, Frame]]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def sent(self, connection: str, frame: Frame) -> None:
        self.history.setdefault(connection, []).append(("sent", frame))

    def received(self, connection: str, frame: Frame) -> None:
        self.history.setdefault(connection, []).append(("received", frame))

    def lost(self, connection: str) -> None:
        """The connection ended before its requests did: nothing more is owed to it."""
        self.gone.add(connection)

    def frames(self, *types: str) -> Iterator[Frame]:
        """What all connections received, of these types."""
        for events in self.history.values():
            yield from (frame for way, frame in events if way == "received" and frame["type"] in types)

    @property
    def acknowledged(self) -> set[str]:
        """Job ids."""
        return {frame["job_id"] for frame in self.frames("acknowledgment")}


async def check(ledger: Ledger, store: Store, *, queues: Iterable[str] = ("default",)) -> None:
    """AssertionError with every violation: what clients saw, the outcomes, the queue index."""
    rows = await store.requests.get_many(ledger.acknowledged)
    found = [*client_violations(ledger), *outcome_violations(ledger, rows)]
    for queue in queues:
        found += await index_violations(store, queue, rows)
    assert not found, "\n".join(found)


# --- what a connection saw ------------------------------------------------------------------------------------


def client_violations(ledger: Ledger) -> list[str]:
    """Every submit has one outcome, and the frames of a job are in order."""
    return [
        f"{connection}: {sentence}"
        for connection, events in ledger.history.items()
        for sentence in _connection_violations(events, connection in ledger.gone)
    ]


def _connection_violations(events: Iterable[tuple[str, Frame]], gone: bool) -> Iterator[str]:
    requests: dict[str, _Request] = {}
    for way, frame in events:
        request_id = frame.get("request_id") if way == "received" else frame.get("id", frame.get("request_id"))
        if request_id is None:
            continue
        request = requests.setdefault(request_id, _Request())
        if way == "sent":
            _send(request, frame)
        else:
            yield from (f"{request_id}: {sentence}" for sentence in _receive(request, frame))
    if not gone:
        yield from (f"{name}: {sentence}" for name, request in requests.items() for sentence in _owed(request))


def _send(request: _Request, frame: Frame) -> None:
    kind = frame.get("type", "request")
    if kind == "request":
        request.unanswered += 1
        request.joined = False
    elif kind == "cancel":
        request.cancels += 1


def _receive(request: _Request, frame: Frame) -> Iterator[str]:
    kind = frame["type"]
    if kind == "acknowledgment":
        yield from _acknowledge(request)
    elif kind == "response" or (kind == "error" and frame["final"] and "job_id" not in frame):
        yield from _answer(request)
    elif kind == "error" and not frame["final"]:
        yield from _refuse(request)
    elif kind == "cancelling":
        request.cancels -= 1
    elif kind == "progress" and "job_id" not in frame:
        if not request.unanswered:
            yield "progress of an inline request that is not running"
    elif kind in ("progress", "retrying", "complete", "error"):
        yield from _hear_of_job(request, frame)


def _acknowledge(request: _Request) -> Iterator[str]:
    if not request.unanswered:
        yield "an acknowledgment without a submit"
    request.unanswered = max(0, request.unanswered - 1)
    if not request.running:
        request.running, request.place, request.percentage = True, (0, 0), 0.0


def _answer(request: _Request) -> Iterator[str]:
    if not request.unanswered:
        yield "a second inline answer, or one without a submit"
    request.unanswered = max(0, request.unanswered - 1)
    request.joined = True


def _refuse(request: _Request) -> Iterator[str]:
    if request.unanswered:
        request.unanswered -= 1
    elif request.cancels:
        request.cancels -= 1
    else:
        yield "a refusal of nothing"


def _hear_of_job(request: _Request, frame: Frame) -> Iterator[str]:
    kind, place = frame["type"], (frame["attempt"], frame["seq"])
    outcome = kind in ("complete", "error")
    if not request.running:
        if outcome and request.cancels:  # a cancel of a finished request is answered by its outcome
            request.cancels -= 1
        else:
            yield f"{kind} {place} after the outcome, or without an acknowledgment"
        return
    if place <= request.place:
        yield f"{kind} {place} came after {request.place}"
    request.place = place
    yield from _percentage(request, frame)
    if outcome:
        request.running = False


def _percentage(request: _Request, frame: Frame) -> Iterator[str]:
    if frame["type"] == "retrying":
        request.percentage = 0.0
    elif frame["type"] == "progress":
        if frame["percentage"] < request.percentage:
            yield f"the percentage fell from {request.percentage} to {frame['percentage']}"
        request.percentage = frame["percentage"]


def _owed(request: _Request) -> Iterator[str]:
    if request.unanswered and not request.joined:
        yield "a submit was never answered"
    if request.running:
        yield "no outcome"


# --- what became of the jobs ----------------------------------------------------------------------------------


def outcome_violations(ledger: Ledger, rows: Mapping[str, Job]) -> Iterator[str]:
    """Each acknowledged job is terminal, and everybody heard the outcome that its row has."""
    for job_id in sorted(ledger.acknowledged):
        row = rows.get(job_id)
        if row is None:
            yield f"{job_id}: acknowledged, and there is no row"
        elif not row.finished:
            yield f"{job_id}: acknowledged, and still {row.status} in attempt {row.attempt}"
    told: dict[str, Frame] = {}
    for frame in ledger.frames("complete", "error"):
        if "job_id" in frame:
            job_id = frame["job_id"]
            yield from (f"{job_id}: {sentence}" for sentence in _differences(frame, told.setdefault(job_id, frame)))
            yield from (f"{job_id}: {sentence}" for sentence in _contradictions(frame, rows.get(job_id)))


def _differences(frame: Frame, first: Frame) -> Iterator[str]:
    for name in ("type", "attempt", "result", "error"):
        if frame.get(name) != first.get(name):
            yield f"two outcomes: {name} {first.get(name)!r} and {frame.get(name)!r}"


def _contradictions(frame: Frame, row: Job | None) -> Iterator[str]:
    if row is not None and row.finished and (_OUTCOME_OF[row.status], row.attempt) != (frame["type"], frame["attempt"]):
        yield f"{frame['type']} of attempt {frame['attempt']} was told, the row is {row.status} in {row.attempt}"


# --- the queue index ------------------------------------------------------------------------------------------


async def index_violations(store: Store, queue: str, rows: Mapping[str, Job] | None = None) -> list[str]:
    """No finished row is in the index except FAILED, and no job that still needs attention is missing there.

    Knows the rows that the index names, and `rows`. For a store at rest: reads are one after the other.
    """
    places = {kind: await index.entries(store, kind, queue) for kind in Kind}
    indexed = await store.requests.get_many({job_id for found in places.values() for job_id in found})
    known = {**{key: row for key, row in (rows or {}).items() if row.queue == queue}, **indexed}
    found = [
        sentence
        for kind, entries in places.items()
        for job_id in entries
        for sentence in _misplaced(kind, known.get(job_id), job_id)
    ]
    everywhere = {job_id: entry for entries in places.values() for job_id, entry in entries.items()}
    astray = [row for row in known.values() if not row.finished and everywhere.get(row.job_id) != row.entry]
    nowhere = [row for row in known.values() if not row.finished and row.entry is None]
    return found + [f"{row.job_id}: {row.status} without its entry" for row in (*astray, *nowhere)]


def _misplaced(kind: Kind, row: Job | None, job_id: str) -> Iterator[str]:
    status = row.status if row is not None else None
    if status not in _STATUSES_IN[kind]:
        yield f"{job_id}: {status or 'no row'} in {kind}#"


_STATUSES_IN: Final[Mapping[Kind, frozenset[Status | None]]] = {
    Kind.READY: frozenset({Status.PENDING}),
    Kind.TIMER: frozenset({Status.PENDING, Status.RETRYING}),
    Kind.RUNNING: frozenset({Status.PROCESSING}),
    Kind.DEAD: frozenset({Status.FAILED, None}),  # a dead letter whose time to live is over may still be listed
}
