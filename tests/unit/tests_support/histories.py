"""Frames as a client sends and gets them, and ledgers made of them."""

from collections.abc import Sequence
from typing import Any

from tests.support.jobs import row
from tests.support.ledger import Ledger

Frame = dict[str, Any]

JOB = row().job_id
ASK = {"action": "report", "id": "r1"}
CANCEL = {"type": "cancel", "request_id": "r1"}
ACK = {"type": "acknowledgment", "request_id": "r1", "job_id": JOB, "attempt": 0, "seq": 0}
ANSWER = {"type": "response", "request_id": "r1", "success": True, "data": 1}
REFUSAL = {"type": "error", "request_id": "r1", "final": False, "error": {"code": "DUPLICATE_REQUEST"}}
INLINE_ERROR = {"type": "error", "request_id": "r1", "final": True, "error": {"code": "TIMEOUT"}}
INLINE_PROGRESS = {"type": "progress", "request_id": "r1", "percentage": 5}
CANCELLING = {"type": "cancelling", "request_id": "r1", "status": "PROCESSING"}
WELCOME: Frame = {"type": "welcome", "connection_id": "c1"}
UNREADABLE = {"type": "error", "final": False, "error": {"code": "STORAGE_ERROR"}}
INBOX_ACK = {"type": "ack", "request_id": "r1"}
SUBSCRIBE = {"type": "subscribe", "job_id": JOB}
UNSUBSCRIBE = {"type": "unsubscribe", "job_id": JOB}
SUBSCRIBED = {"type": "subscribed", "job_id": JOB, "status": "PROCESSING", "attempt": 1, "seq": 0}
UNSUBSCRIBED = {"type": "unsubscribed", "job_id": JOB}
OF_CLIENTS = ("ping", "resume", "subscribe", "unsubscribe", "ack")


def about(kind: str, seq: int, attempt: int = 1, **fields: Any) -> Frame:
    return {"type": kind, "request_id": "r1", "job_id": JOB, "attempt": attempt, "seq": seq, **fields}


def progress(seq: int, percentage: float = 0, attempt: int = 1) -> Frame:
    return about("progress", seq, attempt, percentage=percentage)


def chunk(index: int, seq: int, attempt: int = 1, data: object = None) -> Frame:
    return about("chunk", seq, attempt, index=index, data=f"piece {index}" if data is None else data)


def retrying(seq: int, continues_from: int, attempt: int = 1) -> Frame:
    return about("retrying", seq, attempt, continues_from=continues_from)


def complete(seq: int, attempt: int = 1, result: object = "done", chunks: int = 0) -> Frame:
    return about("complete", seq, attempt, result=result, chunks=chunks)


def inline_chunk(index: int) -> Frame:
    return {"type": "chunk", "request_id": "r1", "index": index, "data": index}


def resume(attempt: int = 0, seq: int = 0, chunks: int = 0) -> Frame:
    entry = {"request_id": "r1", "attempt": attempt, "seq": seq, "chunks": chunks}
    return {"type": "resume", "requests": [entry]}


def resumed(*names: str, recovered: bool = True) -> Frame:
    return {
        "type": "resumed",
        "requests": [{"request_id": name, "job_id": JOB, "recovered": recovered} for name in names],
    }


def watched(*frames: Frame) -> list[Frame]:
    """Frames as a watcher gets them."""
    return [{**frame, "request_id": JOB} for frame in frames]


def error(seq: int, attempt: int = 1) -> Frame:
    return about("error", seq, attempt, final=True, error={"code": "PROCESSING_FAILED"})


def ledger(*frames: Frame, connection: str = "c1", into: Ledger | None = None) -> Ledger:
    """What a client sends has no `seq` and no answer in it; everything else was received."""
    made = into or Ledger()
    for frame in frames:
        (made.sent if frame in (ASK, CANCEL) or frame.get("type") in OF_CLIENTS else made.received)(connection, frame)
    return made


def over(*connections: Sequence[Frame]) -> Ledger:
    """Connections c0, c1, …, one after the other."""
    made = Ledger()
    for number, frames in enumerate(connections):
        ledger(*frames, connection=f"c{number}", into=made)
    return made
