"""What must be true after any test, however chaotic: a record of what clients sent and saw, and the check of it.

    ledger = Ledger()
    ledger.sent("c1", {"action": "report", "id": "r1"})
    ledger.received("c1", {"type": "acknowledgment", ...})
    ...
    await check(ledger, store)

A connection's name is the test's own; a client that reconnects is another connection. One that was greeted with
`welcome` speaks streamer.v1, any other is plain.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from streamer.jobs.dispatch import Kind
from streamer.jobs.model import Job, Status
from streamer.store.base import Store
from tests.support import index

Event = tuple[str, Mapping[str, Any]]
Frame = Mapping[str, Any]

_OUTCOME_OF: Final = {Status.COMPLETED: "complete", Status.FAILED: "error", Status.CANCELLED: "error"}


@dataclass(slots=True)
class Ledger:
    """What each connection sent and received, in its order."""

    history: dict[str, list[Event]] = field(default_factory=dict)
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
            yield from _received(events, *types)

    @property
    def acknowledged(self) -> set[str]:
        """Job ids."""
        return {frame["job_id"] for frame in self.frames("acknowledgment")}


async def check(ledger: Ledger, store: Store, *, queues: Iterable[str] = ("default",)) -> None:
    """AssertionError with every violation: what clients saw, the output, the outcomes, the queue index."""
    rows = await store.requests.get_many(ledger.acknowledged)
    found = [*client_violations(ledger), *output_violations(ledger), *outcome_violations(ledger, rows)]
    for queue in queues:
        found += await index_violations(store, queue, rows)
    assert not found, "\n".join(found)


# --- what a connection saw ------------------------------------------------------------------------------------


def client_violations(ledger: Ledger) -> list[str]:
    """Every submit, resume and subscribe has one outcome, and the frames of a job are in order, no chunk missing."""
    return [
        f"{connection}: {sentence}"
        for connection, events in ledger.history.items()
        for sentence in _connection_violations(events, connection in ledger.gone)
    ]


def _connection_violations(events: Sequence[Event], gone: bool) -> Iterator[str]:
    connection = _Connection(speaks_v1=any(way == "received" and frame["type"] == "welcome" for way, frame in events))
    for way, frame in events:
        if way == "sent":
            connection.send(frame)
        else:
            yield from connection.receive(frame)
    if not gone:
        yield from connection.owed()


@dataclass(slots=True)
class _Request:
    """One request id on one connection, as its client knows it; of a watched job that is the job's id."""

    speaks_v1: bool
    unanswered: int = 0  # submits that were neither acknowledged, answered nor refused
    joined: bool = False  # an inline answer came while more than one submit was waiting: it may be for all of them
    running: bool = False  # acknowledged, resumed or watched, and no outcome yet
    cancels: int = 0  # cancels that were not answered
    asked: int = 0  # other frames that name it, and may be refused: resume, subscribe, unsubscribe, ack
    said: Frame = field(default_factory=dict)  # the newest of them that says how much the client has
    awaited: bool = False  # `resumed` or `subscribed` comes before anything else
    left: bool = False  # was unsubscribed: nothing is owed
    job_id: str | None = None  # None until it was told
    seen: tuple[int, int] = (0, 0)  # what the client had from elsewhere
    place: tuple[int, int] = (0, 0)  # of the last frame of the running job
    percentage: float = 0.0  # of the last progress since the last `retrying`
    chunks: int = 0  # how many the client has of the running job: the index of the next one
    may_skip: bool = False  # the log has lost some of them
    pieces: int = 0  # chunks of the inline answer that is under way

    def begin(self) -> None:
        """Its frames come from now on: all, or those after what the client said to have."""
        self.running, self.left, self.may_skip, self.percentage = True, False, False, 0.0
        self.place = self.seen = (self.said.get("attempt", 0), self.said.get("seq", 0))
        self.chunks = self.said.get("chunks", 0)

    def ask(self, said: Frame) -> None:
        """A resume or a subscribe names it."""
        self.asked, self.said, self.left = self.asked + 1, said, False
        if not self.running and not self.unanswered:
            self.begin()
            self.awaited = True

    def granted(self) -> None:
        """`resumed` or `subscribed` names it."""
        self.asked, self.awaited = max(0, self.asked - 1), False
        if not self.running and not self.unanswered:
            self.begin()

    def not_granted(self) -> None:
        if self.awaited:
            self.running = self.awaited = False

    @property
    def gets_all(self) -> bool:
        """Whether every chunk comes."""
        return self.speaks_v1 and self.wants("chunk") and not self.may_skip

    def wants(self, kind: str) -> bool:
        """Whether a watcher chose this type of frame; who gets chunks is told when they are void."""
        events: Collection[str] | None = self.said.get("events")
        return events is None or kind in events or (kind == "retrying" and "chunk" in events)


@dataclass(slots=True)
class _Connection:
    """What one client knows while it reads what it sent and received."""

    speaks_v1: bool
    requests: dict[str, _Request] = field(default_factory=dict)
    resumes: deque[Mapping[str, Frame]] = field(default_factory=deque)  # not answered: what each of them asked for

    def send(self, frame: Frame) -> None:
        kind = frame.get("type", "request")
        if kind == "resume":
            entries = {entry.get("request_id", entry.get("id")): entry for entry in frame["requests"]}
            self.resumes.append(entries)
            for name, entry in entries.items():
                self._request(name).ask(entry)
        elif kind == "subscribe":
            self._request(frame["job_id"]).ask(frame)
        elif (name := frame.get("id", frame.get("request_id", frame.get("job_id")))) is not None:
            _send(self._request(name), frame)

    def receive(self, frame: Frame) -> Iterator[str]:
        name = frame.get("request_id")
        if frame["type"] == "resumed":
            yield from self._resumed(frame)
        elif frame["type"] in ("subscribed", "unsubscribed"):
            yield from self._watched(frame)
        elif name is not None:
            request = self._request(name)
            request.job_id = frame.get("job_id", request.job_id)
            yield from (f"{name}: {sentence}" for sentence in _receive(request, frame))
        elif frame["type"] == "error" and self.resumes:  # has no request id: it may be about the whole resume
            for name in self.resumes.popleft():
                self._request(name).asked -= 1
                self._request(name).not_granted()

    def owed(self) -> Iterator[str]:
        yield from (f"{name}: {sentence}" for name, request in self.requests.items() for sentence in _owed(request))
        if self.speaks_v1 and self.resumes:
            yield "a resume was never answered"

    def _resumed(self, frame: Frame) -> Iterator[str]:
        if not self.resumes:
            yield "resumed, and nobody asked"
            return
        asked = self.resumes.popleft()
        told = {entry["request_id"]: entry for entry in frame["requests"]}
        yield from (f"{name}: resumed, and nobody asked for it" for name in told if name not in asked)
        for name in asked:
            request = self._request(name)
            if name not in told:
                request.not_granted()
                continue
            request.granted()
            request.job_id = told[name]["job_id"]
            request.may_skip = not told[name]["recovered"]

    def _watched(self, frame: Frame) -> Iterator[str]:
        name = frame["job_id"]
        request = self._request(name)
        if not request.asked:
            yield f"{name}: {frame['type']}, and nobody asked"
        elif frame["type"] == "unsubscribed":
            request.asked, request.running = request.asked - 1, False
        else:
            request.granted()
            if any(other.running and other.job_id == name for other in self.requests.values() if other is not request):
                request.running = False  # it goes on under the id by which this connection asked for it

    def _request(self, name: str) -> _Request:
        return self.requests.setdefault(name, _Request(self.speaks_v1))


def _send(request: _Request, frame: Frame) -> None:
    kind = frame.get("type", "request")
    if kind == "request":
        request.unanswered += 1
        request.joined = False
    elif kind == "cancel":
        request.cancels += 1
    elif kind == "ack":
        request.asked += 1
    elif kind == "unsubscribe":
        request.asked, request.left = request.asked + 1, True


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
    elif kind in ("progress", "chunk") and "job_id" not in frame:
        yield from _hear_inline(request, frame)
    elif kind in ("progress", "chunk", "retrying", "complete", "error"):
        yield from _hear_of_job(request, frame)


def _acknowledge(request: _Request) -> Iterator[str]:
    if not request.unanswered:
        yield "an acknowledgment without a submit"
    request.unanswered = max(0, request.unanswered - 1)
    if not request.running:
        request.said = {}
        request.begin()


def _answer(request: _Request) -> Iterator[str]:
    if not request.unanswered:
        yield "a second inline answer, or one without a submit"
    request.unanswered = max(0, request.unanswered - 1)
    request.joined, request.pieces = True, 0


def _refuse(request: _Request) -> Iterator[str]:
    if request.unanswered:
        request.unanswered -= 1
    elif request.cancels:
        request.cancels -= 1
    elif request.asked:
        request.asked -= 1
        request.not_granted()
    else:
        yield "a refusal of nothing"


def _hear_inline(request: _Request, frame: Frame) -> Iterator[str]:
    if not request.unanswered:
        yield f"{frame['type']} of an inline request that is not running"
    if frame["type"] == "chunk":
        if frame["index"] != request.pieces:
            yield f"chunk {frame['index']} of the answer came, and {request.pieces} is next"
        request.pieces = frame["index"] + 1


def _hear_of_job(request: _Request, frame: Frame) -> Iterator[str]:
    kind, place = frame["type"], (frame["attempt"], frame["seq"])
    outcome = kind in ("complete", "error")
    if not request.running:
        if outcome and request.cancels:  # a cancel of a finished request is answered by its outcome
            request.cancels -= 1
        else:
            yield f"{kind} {place} after the outcome, or without an acknowledgment"
        return
    if request.awaited and request.speaks_v1:
        yield f"{kind} {place} came before the answer to what asked for it"
    told_again = outcome and place == request.seen == request.place  # to who had it, and did not say so
    if place <= request.place and not told_again:
        yield f"{kind} {place} came after {request.place}"
    if not outcome and not request.wants(kind):
        yield f"{kind} {place} is not among the events that were chosen"
    request.place, request.awaited = place, False
    yield from _percentage(request, frame)
    yield from _chunks(request, frame)
    if outcome:
        request.running = False


def _percentage(request: _Request, frame: Frame) -> Iterator[str]:
    if frame["type"] == "retrying":
        request.percentage = 0.0
    elif frame["type"] == "progress":
        if frame["percentage"] < request.percentage:
            yield f"the percentage fell from {request.percentage} to {frame['percentage']}"
        request.percentage = frame["percentage"]


def _chunks(request: _Request, frame: Frame) -> Iterator[str]:
    if frame["type"] == "retrying":
        request.chunks = min(request.chunks, frame.get("continues_from", 0))
    elif frame["type"] == "chunk":
        yield from _next_chunk(request, frame["index"])
        request.chunks = frame["index"] + 1
    elif frame["type"] == "complete" and request.gets_all and frame.get("chunks", 0) != request.chunks:
        yield f"complete counts {frame.get('chunks', 0)} chunks, and there were {request.chunks}"


def _next_chunk(request: _Request, number: int) -> Iterator[str]:
    if not request.speaks_v1:
        yield "a plain client got a chunk"
    if number < request.chunks or (number > request.chunks and not request.may_skip):
        yield f"chunk {number} came, and {request.chunks} is next"


def _owed(request: _Request) -> Iterator[str]:
    if request.unanswered and not request.joined:
        yield "a submit was never answered"
    if request.running and not request.left:
        yield "no outcome"


# --- what came out --------------------------------------------------------------------------------------------


def output(ledger: Ledger, names: Iterable[str], request_id: str) -> list[Any]:
    """What a client has put together of a request's chunks over its connections, one after the other.

    AssertionError where one is missing.
    """
    heard = [frame for name in names for frame in _received(ledger.history.get(name, ()), "chunk", "retrying")]
    pieces = _put_together(frame for frame in heard if frame.get("request_id") == request_id)
    assert sorted(pieces) == list(range(len(pieces))), f"{request_id}: there are only chunks {sorted(pieces)}"
    return [pieces[number][1] for number in range(len(pieces))]


def output_violations(ledger: Ledger) -> Iterator[str]:
    """Whoever heard that a job is complete has the same output of it, as far as they have it."""
    first: dict[tuple[str, int], tuple[str, object]] = {}
    for connection, events in ledger.history.items():
        jobs: dict[str, list[Frame]] = {frame["job_id"]: [] for frame in _received(events, "complete")}
        for frame in _received(events, "chunk", "retrying"):
            jobs.get(frame.get("job_id", ""), []).append(frame)
        for job_id, frames in jobs.items():
            for number, piece in _put_together(frames).items():
                whose, other = first.setdefault((job_id, number), (connection, piece))
                if piece != other:
                    yield f"{job_id}: chunk {number} is {other} for {whose}, and {piece} for {connection}"


def _put_together(frames: Iterable[Frame]) -> Mapping[int, tuple[int, Any]]:
    """By index, the attempt and the data of each chunk that stands in the end."""
    pieces: dict[int, tuple[int, Any]] = {}
    for frame in frames:
        if frame["type"] == "chunk":
            pieces[frame["index"]] = (frame.get("attempt", 0), frame["data"])
        else:
            standing = frame.get("continues_from", 0)
            pieces = {number: piece for number, piece in pieces.items() if number < standing}
    return pieces


def _received(events: Iterable[Event], *types: str) -> Iterator[Frame]:
    return (frame for way, frame in events if way == "received" and frame["type"] in types)


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
    for name in ("type", "attempt", "result", "error", "chunks"):
        if frame.get(name) != first.get(name):
            yield f"two outcomes: {name} {first.get(name)!r} and {frame.get(name)!r}"


def _contradictions(frame: Frame, row: Job | None) -> Iterator[str]:
    if row is not None and row.finished and (_OUTCOME_OF[row.status], row.attempt) != (frame["type"], frame["attempt"]):
        yield f"{frame['type']} of attempt {frame['attempt']} was told, the row is {row.status} in {row.attempt}"
    elif row is not None and frame.get("chunks", row.chunks) != row.chunks:
        yield f"{frame['chunks']} chunks were told, the row has {row.chunks}"


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
