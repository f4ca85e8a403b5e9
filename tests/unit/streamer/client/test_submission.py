import asyncio
from dataclasses import replace

import pytest

from streamer.client.errors import ConnectionLost, RequestFailed, Unwatched
from streamer.client.events import (
    Acknowledged,
    Cancelling,
    Chunk,
    Completed,
    Event,
    Failed,
    Problem,
    ProgressEvent,
    Response,
    Retrying,
)
from streamer.client.submission import Submission, Way
from streamer.client.unread import COALESCED_FROM, KEPT

ACKNOWLEDGED = Acknowledged(request_id="r", job_id="j", state="PENDING")
RETRYING = Retrying(
    request_id="r", job_id="j", attempt=1, seq=50, error=Problem("PROCESSING_FAILED"), retry_at=1.0, continues_from=1
)
COMPLETED = Completed(request_id="r", result={"n": 1})
CANCELLED = Failed(request_id="r", error=Problem("CANCELLED", "It was cancelled."))
REFUSED = Failed(request_id="r", error=Problem("RATE_LIMITED", "Too many.", retryable=True, after_ms=9), final=False)


GONE = Failed(request_id="r", error=Problem("NOT_FOUND", "There is no such request."), final=False)


def progress(percentage: float) -> ProgressEvent:
    return ProgressEvent(request_id="r", percentage=percentage)


def chunk(index: int) -> Chunk:
    return Chunk(request_id="r", job_id="j", attempt=1, seq=index + 1, index=index, data=index)


class Sent(list[str]):
    """The wishes of a submission, as its session hears of them."""

    def cancel(self, submission: Submission) -> None:
        self.append(f"cancel {submission.request_id}")

    def unwatch(self, submission: Submission) -> None:
        self.append(f"unwatch {submission.request_id}")


@pytest.fixture
def sent() -> Sent:
    return Sent()


def made(sent: Sent, way: Way = Way.REQUEST) -> Submission:
    return Submission("r", way=way, asking=b"{}", send_cancel=sent.cancel, send_unwatch=sent.unwatch)


@pytest.fixture
async def submission(sent: Sent) -> Submission:  # in the loop of its test
    return made(sent)


async def read(submission: Submission) -> list[Event]:
    return [event async for event in submission]


async def test_its_events_come_in_order_and_end_with_the_outcome(submission: Submission) -> None:
    told = [ACKNOWLEDGED, progress(10), chunk(0), chunk(1), RETRYING, progress(5), COMPLETED]
    reading = asyncio.create_task(read(submission))
    for event in told:
        submission.take(event)
    assert await reading == told
    assert submission.acknowledged == ACKNOWLEDGED
    assert submission.done


async def test_it_wakes_a_reader_that_waits(submission: Submission) -> None:
    waiting = asyncio.ensure_future(anext(aiter(submission)))
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
    events = aiter(submission)
    assert await anext(events) == ACKNOWLEDGED
    with pytest.raises(ConnectionLost, match="1012"):
        await anext(events)
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
    assert len(events) == COALESCED_FROM + 3
    assert events[0] == ACKNOWLEDGED
    assert events[-4:] == [progress(100), RETRYING, progress(1), COMPLETED]


async def test_chunks_that_arrived_are_counted_and_taken_back(submission: Submission) -> None:
    submission.take(ACKNOWLEDGED)
    for index in range(3):
        submission.take(chunk(index))
    assert submission.chunks == 3
    submission.take(RETRYING)
    assert submission.chunks == 1


async def test_what_comes_twice_is_told_once(submission: Submission) -> None:
    told = [ACKNOWLEDGED, chunk(0), chunk(1)]
    for event in (*told, *told, COMPLETED):
        submission.take(event)
    assert await read(submission) == [*told, COMPLETED]


async def test_what_nobody_iterates_is_dropped_but_for_the_newest_and_its_result_comes(submission: Submission) -> None:
    for index in range(KEPT + 10):
        submission.take(chunk(index))
        assert not submission.is_full
    submission.take(COMPLETED)
    assert await submission == {"n": 1}
    assert submission.dropped == 11
    assert await read(submission) == [*map(chunk, range(11, KEPT + 10)), COMPLETED]


async def test_a_reader_who_leaves_does_not_keep_the_others_waiting(submission: Submission) -> None:
    submission.take(ACKNOWLEDGED)
    async for event in submission:
        assert event == ACKNOWLEDGED
        for index in range(KEPT + 1):
            submission.take(chunk(index))
        assert submission.is_full
        break
    await asyncio.wait_for(submission.room(), 20)
    assert not submission.is_full


async def test_cancel_asks_once_and_returns_when_it_is_answered(submission: Submission, sent: Sent) -> None:
    first, second = (asyncio.create_task(submission.cancel()) for _ in range(2))
    await asyncio.sleep(0)
    assert sent == ["cancel r"]
    submission.take(ACKNOWLEDGED)
    assert not first.done()
    submission.take(Cancelling(request_id="r", status="PROCESSING"))
    await first
    await second
    submission.take(CANCELLED)
    await submission.cancel()  # nothing to do any more
    assert sent == ["cancel r"]


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


async def test_before_the_acknowledgment_a_cancel_goes_out_with_the_request(submission: Submission) -> None:
    cancel = asyncio.create_task(submission.cancel())
    await asyncio.sleep(0)
    assert submission.wants_cancel
    submission.take(CANCELLED)
    await cancel
    assert not submission.wants_cancel


async def test_a_cancel_survives_the_socket_and_waits_until_the_next_node_knows_the_request(
    submission: Submission,
) -> None:
    submission.take(ACKNOWLEDGED)
    cancel = asyncio.create_task(submission.cancel())
    await asyncio.sleep(0)
    wanted = [submission.wants_cancel]
    submission.detach()
    wanted.append(submission.wants_cancel)
    submission.answered()
    wanted.append(submission.wants_cancel)
    assert wanted == [True, False, True]
    submission.take(Cancelling(request_id="r", status="PROCESSING"))
    await cancel


async def test_a_refusal_that_was_of_the_former_socket_is_forgotten(submission: Submission) -> None:
    cancel = asyncio.create_task(submission.cancel())
    await asyncio.sleep(0)
    submission.take(REFUSED)
    submission.detach()
    submission.take(ACKNOWLEDGED)
    assert not cancel.done()
    submission.take(COMPLETED)
    await cancel


async def test_a_known_request_that_the_next_node_does_not_find_has_failed(submission: Submission) -> None:
    submission.take(ACKNOWLEDGED)
    submission.detach()
    submission.take(GONE)
    with pytest.raises(RequestFailed, match="NOT_FOUND"):
        await submission


@pytest.mark.parametrize("way", [Way.RESUME, Way.WATCH])
async def test_what_is_asked_for_by_id_and_not_found_has_failed(sent: Sent, way: Way) -> None:
    submission = made(sent, way)
    assert submission.is_known
    cancel = asyncio.create_task(submission.cancel())
    await asyncio.sleep(0)
    submission.take(GONE)
    await cancel
    with pytest.raises(RequestFailed, match="NOT_FOUND"):
        await submission


async def test_what_the_caller_asks_is_refused_to_the_caller(submission: Submission) -> None:
    assert not submission.is_refused_for_now(REFUSED)
    submission.take(ACKNOWLEDGED)
    assert not submission.is_refused_for_now(REFUSED)  # of a cancel


async def test_what_the_session_asks_by_itself_may_be_refused_for_now(submission: Submission) -> None:
    submission.postpone()
    assert submission.is_refused_for_now(REFUSED)
    assert not submission.is_refused_for_now(GONE)
    assert not submission.is_refused_for_now(replace(REFUSED, final=True))
    submission.take(ACKNOWLEDGED)
    assert not submission.is_refused_for_now(REFUSED)  # of a cancel
    submission.detach()
    assert submission.is_refused_for_now(REFUSED)


async def test_a_refusal_that_may_be_of_a_cancel_is_not_taken_for_one_of_the_request(submission: Submission) -> None:
    submission.postpone()
    cancel = asyncio.create_task(submission.cancel())
    await asyncio.sleep(0)
    assert not submission.is_refused_for_now(REFUSED)
    submission.take(COMPLETED)
    await cancel


async def test_the_frame_of_a_request_is_kept_until_it_is_acknowledged(submission: Submission) -> None:
    assert submission.asking == b"{}"
    submission.take(ACKNOWLEDGED)
    assert submission.asking == b""


async def test_who_stops_watching_gets_no_more_and_no_result(sent: Sent) -> None:
    submission = made(sent, Way.WATCH)
    submission.unwatch()
    assert sent == ["unwatch r"]
    submission.take(progress(10))
    submission.lose(Unwatched("This client stopped watching."))
    assert await read(submission) == [progress(10)]
    with pytest.raises(Unwatched):
        await submission
