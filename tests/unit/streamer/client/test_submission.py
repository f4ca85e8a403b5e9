import asyncio

import pytest

from streamer.client.errors import ConnectionLost, RequestFailed
from streamer.client.events import (
    Acknowledged,
    Cancelling,
    Completed,
    Event,
    Failed,
    Problem,
    ProgressEvent,
    Response,
    Retrying,
)
from streamer.client.submission import UNREAD, Submission

ACKNOWLEDGED = Acknowledged(request_id="r", job_id="j", state="PENDING")
RETRYING = Retrying(request_id="r", error=Problem("PROCESSING_FAILED"), retry_at=1.0)
COMPLETED = Completed(request_id="r", result={"n": 1})
CANCELLED = Failed(request_id="r", error=Problem("CANCELLED", "It was cancelled."))
REFUSED = Failed(request_id="r", error=Problem("RATE_LIMITED", "Too many.", retryable=True, after_ms=9), final=False)


def progress(percentage: float) -> ProgressEvent:
    return ProgressEvent(request_id="r", percentage=percentage)


class Sent(list[str]):
    """The cancel frames that a submission sent."""


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
async def submission(sent: Sent) -> Submission:  # in the loop of its test
    return Submission("r", sent.append)


async def read(submission: Submission) -> list[Event]:
    return [event async for event in submission]


async def test_its_events_come_in_order_and_end_with_the_outcome(submission: Submission) -> None:
    told = [ACKNOWLEDGED, progress(10), RETRYING, progress(5), COMPLETED]
    reading = asyncio.create_task(read(submission))
    for event in told:
        submission.take(event)
    assert await reading == told
    assert submission.acknowledged == ACKNOWLEDGED
    assert submission.done


async def test_it_wakes_a_reader_that_waits(submission: Submission) -> None:
    waiting = asyncio.ensure_future(submission.__anext__())
    await asyncio.sleep(0)
    submission.take(ACKNOWLEDGED)
    assert await waiting == ACKNOWLEDGED


async def test_awaiting_it_gives_the_result_as_often_as_asked(submission: Submission) -> None:
    submission.take(COMPLETED)
    assert await submission == {"n": 1}
    assert await submission.result() == {"n": 1}
    assert await read(submission) == [COMPLETED]


async def test_an_inline_answer_is_a_result(submission: Submission) -> None:
    submission.take(Response(request_id="r", data=[1]))
    assert await submission == [1]


async def test_a_failure_is_an_event_and_an_exception(submission: Submission) -> None:
    submission.take(CANCELLED)
    assert await read(submission) == [CANCELLED]
    with pytest.raises(RequestFailed, match="CANCELLED"):
        await submission


async def test_a_refused_request_has_failed(submission: Submission) -> None:
    submission.take(REFUSED)
    with pytest.raises(RequestFailed) as failed:
        await submission
    assert (failed.value.code, failed.value.retryable, failed.value.after_ms) == ("RATE_LIMITED", True, 9)


async def test_a_lost_connection_is_raised_after_what_was_read(submission: Submission) -> None:
    submission.take(ACKNOWLEDGED)
    submission.lose(ConnectionLost(1012, "restart"))
    assert await anext(submission) == ACKNOWLEDGED
    with pytest.raises(ConnectionLost, match="1012"):
        await anext(submission)
    with pytest.raises(ConnectionLost, match="1012"):
        await submission


async def test_unread_progress_is_coalesced_and_nothing_else(submission: Submission) -> None:
    submission.take(ACKNOWLEDGED)
    for percentage in range(1, 101):
        submission.take(progress(percentage))
    submission.take(RETRYING)
    submission.take(progress(1))
    submission.take(COMPLETED)
    events = await read(submission)
    assert len(events) == UNREAD + 3
    assert events[0] == ACKNOWLEDGED
    assert events[-4:] == [progress(100), RETRYING, progress(1), COMPLETED]


async def test_cancel_asks_once_and_returns_when_it_is_answered(submission: Submission, sent: Sent) -> None:
    first, second = (asyncio.create_task(submission.cancel()) for _ in range(2))
    await asyncio.sleep(0)
    assert sent == ["r"]
    submission.take(ACKNOWLEDGED)
    assert not first.done()
    submission.take(Cancelling(request_id="r", status="PROCESSING"))
    await first
    await second
    submission.take(CANCELLED)
    await submission.cancel()  # nothing to do any more
    assert sent == ["r"]


async def test_an_outcome_answers_a_cancel(submission: Submission) -> None:
    cancel = asyncio.create_task(submission.cancel())
    await asyncio.sleep(0)
    submission.take(COMPLETED)
    await cancel


async def test_a_refused_cancel_leaves_the_request_alone(submission: Submission) -> None:
    submission.take(ACKNOWLEDGED)
    cancel = asyncio.create_task(submission.cancel())
    await asyncio.sleep(0)
    submission.take(REFUSED)
    with pytest.raises(RequestFailed, match="RATE_LIMITED"):
        await cancel
    submission.take(COMPLETED)
    assert await submission == {"n": 1}


async def test_a_refusal_before_the_acknowledgment_may_be_of_the_cancel(submission: Submission) -> None:
    cancel = asyncio.create_task(submission.cancel())
    await asyncio.sleep(0)
    submission.take(REFUSED)
    assert not submission.done
    submission.take(ACKNOWLEDGED)
    with pytest.raises(RequestFailed, match="RATE_LIMITED"):
        await cancel
    assert not submission.done


async def test_two_refusals_are_of_both(submission: Submission) -> None:
    cancel = asyncio.create_task(submission.cancel())
    await asyncio.sleep(0)
    submission.take(REFUSED)
    submission.take(Failed(request_id="r", error=Problem("NOT_FOUND"), final=False))
    await cancel
    with pytest.raises(RequestFailed, match="RATE_LIMITED"):
        await submission


async def test_a_cancel_that_nobody_waits_for_ends_quietly(submission: Submission) -> None:
    cancel = asyncio.create_task(submission.cancel())
    await asyncio.sleep(0)
    cancel.cancel()
    submission.lose(ConnectionLost(1006))
    with pytest.raises(asyncio.CancelledError):
        await cancel


async def test_a_refusal_that_nothing_asked_for_is_ignored(submission: Submission) -> None:
    submission.take(ACKNOWLEDGED)
    submission.take(REFUSED)
    assert not submission.done
