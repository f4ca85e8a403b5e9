from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import orjson
import pytest

from app import outcome
from app.tracker import Frame
from streamer.errors import NotFound, StoreUnavailable
from streamer.jobs.model import Aside, Body, Failure, Job, Progress, Status
from streamer.store.base import RequestQueue
from tests.unit.app.parts import job

ENDED = replace(job(), attempt=2, seq=9, chunks=3)


class Bodies:
    """The store, with what it says when it is asked for a result."""

    def __init__(self, answer: bytes | Exception) -> None:
        self.answer = answer

    async def load(self, _: Job, body: Body) -> bytes:
        if not isinstance(body, Aside):
            return body
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def told(row: Job, answer: bytes | Exception = b"") -> tuple[Frame, Mapping[str, Any]]:
    frame = await outcome.of(row, cast("RequestQueue", Bodies(answer)), 5.0)
    assert (frame.kind, frame.position) == ("outcome", (2, 9))
    said = orjson.loads(frame.body)
    assert (said["attempt"], said["seq"], said["request_id"]) == (2, 9, "r1")
    return frame, said


async def test_a_result_that_lies_beside_the_row_is_read() -> None:
    frame, said = await told(replace(ENDED, status=Status.COMPLETED, result=Aside("r#2", 1)), b'{"big":true}')
    assert (said["type"], said["result"], said["chunks"], frame.chunks) == ("complete", {"big": True}, 3, 3)


async def test_a_result_that_has_expired_ends_the_request_all_the_same() -> None:
    """There is nothing to wait for: not even the output is, whatever the row says of it."""
    frame, said = await told(replace(ENDED, status=Status.COMPLETED, result=Aside("r#2", 1)), NotFound("gone"))
    assert (said["type"], said["final"], said["error"]["code"], frame.chunks) == ("error", True, "NOT_FOUND", 0)


async def test_a_result_that_cannot_be_read_now_is_no_outcome() -> None:
    with pytest.raises(StoreUnavailable):
        await told(replace(ENDED, status=Status.COMPLETED, result=Aside("r#2", 1)), StoreUnavailable())


async def test_a_failure_is_told_as_it_was_stored() -> None:
    failure = Failure("OUT_OF_STOCK", "There is none left.", {"item": 7})
    frame, said = await told(replace(ENDED, status=Status.FAILED, error=failure))
    assert (said["type"], said["final"], frame.chunks) == ("error", True, 3)
    assert (said["error"]["code"], said["error"]["details"]) == ("OUT_OF_STOCK", {"item": 7})


async def test_what_is_newest_of_a_job_is_its_outcome_else_its_progress_if_it_has_any() -> None:
    requests = cast("RequestQueue", Bodies(b""))
    assert await outcome.newest(job(), requests, 0.0) is None
    running = replace(job(), status=Status.PROCESSING, attempt=1, seq=4, progress=Progress(20.0, chunks=2))
    newest = await outcome.newest(running, requests, 0.0)
    assert newest is not None
    assert (newest.kind, newest.position, newest.percentage, newest.chunks) == ("progress", (1, 4), 20.0, 2)
    ended = await outcome.newest(replace(running, status=Status.COMPLETED, result=b"1"), requests, 0.0)
    assert ended is not None
    assert ended.kind == "outcome"


@pytest.mark.parametrize(("status", "chunks"), [(Status.PROCESSING, 30), (Status.PENDING, 0), (Status.RETRYING, 0)])
def test_progress_comes_after_the_output_that_stands(status: Status, chunks: int) -> None:
    row = replace(job(), status=status, attempt=1, seq=9, progress=Progress(50.0, chunks=30))
    told = outcome.progress(row, 5.0)
    assert told is not None
    assert (told.position, told.chunks) == ((1, 9), chunks)
