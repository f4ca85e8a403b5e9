"""What follows from how a handler ended."""

import asyncio
from datetime import timedelta

import pytest

from streamer.errors import ActionError, InvalidPayload, Retry, ServiceUnavailable
from streamer.jobs.model import Failure
from workers import verdict
from workers.verdict import Again, Failed


def test_an_action_error_is_final_and_told_as_it_is() -> None:
    error = ActionError("NO_ROWS", "There is nothing.", details={"a": 1}, retryable=True)
    assert verdict.of_handler(error, "e1") == Failed(Failure("NO_ROWS", "There is nothing.", {"a": 1}, True))


def test_a_handler_may_say_when_to_run_again() -> None:
    ended = verdict.of_handler(Retry(timedelta(seconds=3)), "e1")
    assert ended == Again(verdict.hidden("e1"), timedelta(seconds=3))


@pytest.mark.parametrize("error", [RuntimeError("secret"), ServiceUnavailable(), asyncio.CancelledError(), Retry()])
def test_any_other_error_is_hidden_and_runs_again(error: BaseException) -> None:
    assert verdict.of_handler(error, "e1") == Again(
        Failure("PROCESSING_FAILED", verdict.NEUTRAL, {"error_id": "e1"}, False)
    )


def test_a_request_that_cannot_be_run_is_final() -> None:
    error = InvalidPayload(details={"errors": []})
    assert verdict.of_request(error) == Failed(Failure("VALIDATION_ERROR", error.message, {"errors": []}))


def test_too_long_is_a_failed_attempt() -> None:
    assert verdict.timed_out() == Again(Failure("TIMEOUT", "The request took too long."))


def test_too_late_is_final() -> None:
    assert verdict.expired() == Failed(Failure("TIMEOUT", "The request was not done in time."))


def test_a_result_that_is_no_json_is_final() -> None:
    assert verdict.of_result("e1") == Failed(verdict.hidden("e1"))


def test_what_a_handler_says_on_purpose_is_no_fault() -> None:
    assert verdict.is_expected(Retry())
    assert verdict.is_expected(ActionError("A", "b"))
    assert not verdict.is_expected(RuntimeError())
