"""What one connection must have seen, whatever became of its requests: each frame in its turn, no chunk missing."""

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.support.ledger import Event, Frame, Ledger


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
    doubtful: int = 0  # refusals taken for those of submits, which may be those of cancels
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
    refused: list[Mapping[str, Frame]] = field(default_factory=list)  # resumes that were, as far as one can tell

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
            self._refuse_resume(self.resumes.popleft())

    def owed(self) -> Iterator[str]:
        yield from (f"{name}: {sentence}" for name, request in self.requests.items() for sentence in _owed(request))
        if self.speaks_v1 and self.resumes:
            yield "a resume was never answered"

    def _resumed(self, frame: Frame) -> Iterator[str]:
        if not self.resumes:
            yield "resumed, and nobody asked"
            return
        told = {entry["request_id"]: entry for entry in frame["requests"]}
        asked = self._answered(told)
        yield from (f"{name}: resumed, and nobody asked for it" for name in told if name not in asked)
        for name in asked:
            request = self._request(name)
            if name not in told:
                request.not_granted()
                continue
            request.granted()
            request.job_id = told[name]["job_id"]
            request.may_skip = not told[name]["recovered"]

    def _answered(self, told: Mapping[str, Frame]) -> Mapping[str, Frame]:
        """What was asked for, and is answered by this. Answers may overtake each other, and a refusal does not say of
        which resume it is."""
        match = next((asked for asked in self.resumes if told.keys() <= asked.keys()), None)
        if match is None and (match := next((each for each in self.refused if told.keys() <= each.keys()), None)):
            self.refused.remove(match)  # then it was another one that was refused
            self._refuse_resume(self.resumes.popleft())
            return match
        match = self.resumes[0] if match is None else match
        self.resumes.remove(match)
        return match

    def _refuse_resume(self, asked: Mapping[str, Frame]) -> None:
        self.refused.append(asked)
        for name in asked:
            self._request(name).asked -= 1
            self._request(name).not_granted()

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
    if not request.unanswered and request.doubtful:  # then what was refused before was the cancel
        request.cancels, request.doubtful = request.cancels - 1, request.doubtful - 1
    elif not request.unanswered:
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
        request.doubtful = min(request.doubtful + 1, request.cancels)
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
