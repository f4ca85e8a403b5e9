"""What must be true after any test, however chaotic: the check of what clients sent and saw, and of what is stored.

ledger = Ledger()
ledger.sent("c1", {"action": "report", "id": "r1"})
ledger.received("c1", {"type": "acknowledgment", ...})
...
await check(ledger, store)
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from streamer.jobs.dispatch import Kind
from streamer.jobs.model import Job, Status
from streamer.store.base import Store
from tests.support import index
from tests.support.client_invariants import client_violations
from tests.support.ledger import Frame, Ledger, received

_OUTCOME_OF: Final = {Status.COMPLETED: "complete", Status.FAILED: "error", Status.CANCELLED: "error"}


async def check(ledger: Ledger, store: Store, *, queues: Iterable[str] = ("default",)) -> None:
    """AssertionError with every violation: what clients saw, the output, the outcomes, the queue index."""
    rows = await store.requests.get_many(ledger.acknowledged)
    found = [*client_violations(ledger), *output_violations(ledger), *outcome_violations(ledger, rows)]
    for queue in queues:
        found += await index_violations(store, queue, rows)
    assert not found, "\n".join(found)


# --- what came out --------------------------------------------------------------------------------------------


def output(ledger: Ledger, names: Iterable[str], request_id: str) -> list[Any]:
    """What a client has put together of a request's chunks over its connections, one after the other.

    AssertionError where one is missing.
    """
    heard = [frame for name in names for frame in received(ledger.history.get(name, ()), "chunk", "retrying")]
    pieces = _put_together(frame for frame in heard if frame.get("request_id") == request_id)
    assert sorted(pieces) == list(range(len(pieces))), f"{request_id}: there are only chunks {sorted(pieces)}"
    return [pieces[number][1] for number in range(len(pieces))]


def output_violations(ledger: Ledger) -> Iterator[str]:
    """Whoever heard that a job is complete has the same output of it, as far as they have it."""
    first: dict[tuple[str, int], tuple[str, object]] = {}
    for connection, events in ledger.history.items():
        jobs: dict[str, list[Frame]] = {frame["job_id"]: [] for frame in received(events, "complete")}
        for frame in received(events, "chunk", "retrying"):
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
