import asyncio

import pytest

from streamer.client.control import Resumed
from streamer.client.errors import ConnectionLost, RequestFailed
from streamer.client.events import Acknowledged, Problem, Response
from streamer.client.requests import RESUMED_AT_ONCE, Requests
from streamer.client.submission import Submission, Way


def made(request_id: str, way: Way = Way.REQUEST) -> Submission:
    def never(_: Submission) -> None:
        raise AssertionError

    return Submission(request_id, way=way, send_cancel=never, send_unwatch=never)


def opened(requests: Requests, request_id: str, way: Way = Way.REQUEST) -> Submission:
    submission = made(request_id, way)
    requests.add(submission)
    return submission


def acknowledged(requests: Requests, request_id: str) -> Submission:
    submission = opened(requests, request_id)
    requests.asked(submission)
    requests.take(Acknowledged(request_id=request_id, job_id="j", state="PENDING"))
    return submission


async def test_a_new_node_is_asked_for_everything_that_is_open() -> None:
    requests = Requests()
    sent, job, watched = opened(requests, "sent"), acknowledged(requests, "job"), opened(requests, "w", Way.WATCH)
    for submission in (sent, watched):
        requests.asked(submission)
    assert (requests.to_resume(), requests.to_send()) == ([], [])
    requests.detach()
    assert (requests.to_resume(), requests.to_send()) == ([job], [sent, watched])


async def test_so_many_are_resumed_at_once_and_the_others_next() -> None:
    requests = Requests()
    submissions = [opened(requests, f"r{number}", Way.RESUME) for number in range(RESUMED_AT_ONCE + 1)]
    first = requests.to_resume()
    assert first == submissions[:-1]
    for submission in first:
        requests.asked(submission)
    assert requests.to_resume() == submissions[-1:]


async def test_a_refused_resume_is_for_those_that_still_wait() -> None:
    requests = Requests()
    waiting, given_up = opened(requests, "waiting", Way.RESUME), opened(requests, "given up", Way.RESUME)
    requests.forget(given_up)
    another = opened(requests, "given up")
    requests.refuse([waiting, given_up], Problem("INVALID_MESSAGE"))
    with pytest.raises(RequestFailed, match="INVALID_MESSAGE"):
        await waiting
    assert not given_up.done
    assert not another.done


async def test_an_answer_about_a_request_that_nobody_waits_for_is_ignored() -> None:
    requests = Requests()
    submission = opened(requests, "r", Way.RESUME)
    assert requests.resumed(Resumed("c", {"r": True, "of an earlier life": False})) == [submission]
    assert requests.take(Response(request_id="of an earlier life", data=1)) is None


async def test_it_is_settled_when_everything_that_was_sent_is_answered_or_acknowledged() -> None:
    requests = Requests()
    inline = opened(requests, "inline")
    requests.asked(inline)
    acknowledged(requests, "job")
    opened(requests, "not sent yet")
    settled = asyncio.create_task(requests.settled())
    await asyncio.sleep(0)
    assert not settled.done()
    requests.take(Response(request_id="inline", data=1))
    await settled


async def test_what_is_lost_is_lost_for_all() -> None:
    requests = Requests()
    submissions = [opened(requests, "a"), acknowledged(requests, "b")]
    requests.lose(ConnectionLost(1000))
    for submission in submissions:
        with pytest.raises(ConnectionLost):
            await submission
    opened(requests, "a")  # the id is free
