from datetime import timedelta

import pytest

from streamer import errors
from streamer.errors import ActionError, InvalidMessage, RateLimited, Retry, StreamerError

PROTOCOL_CODES = {
    "VALIDATION_ERROR", "INVALID_ACTION", "INVALID_MESSAGE", "NOT_FOUND", "UNAUTHORIZED", "FORBIDDEN", "RATE_LIMITED",
    "DUPLICATE_REQUEST", "PAYLOAD_TOO_LARGE", "INTERNAL_ERROR", "TIMEOUT", "SERVICE_UNAVAILABLE", "STORAGE_ERROR",
    "RESULT_TOO_LARGE",
}  # fmt: skip  # CANCELLED, PROCESSING_FAILED and WORKER_LOST are outcomes of jobs, never raised
FIXED = [each for each in StreamerError.__subclasses__() if each is not ActionError]


def test_every_code_of_the_protocol_has_its_error() -> None:
    assert {each.code for each in FIXED} == PROTOCOL_CODES


@pytest.mark.parametrize("error", FIXED)
def test_every_error_has_a_sentence_for_the_client(error: type[StreamerError]) -> None:
    raised = error()
    assert raised.message == str(raised) == error.default
    assert raised.message.endswith(".")
    assert error.__name__ in (errors.__doc__ or "")


def test_only_what_may_pass_by_itself_is_retryable() -> None:
    retryable = {error.code for error in FIXED if error.retryable}
    assert retryable == {"RATE_LIMITED", "SERVICE_UNAVAILABLE", "STORAGE_ERROR"}


def test_facts_are_attributes() -> None:
    error = RateLimited("Slowly.", details={"limit": 3}, after_ms=250)
    assert (error.message, error.details, error.after_ms) == ("Slowly.", {"limit": 3}, 250)
    assert InvalidMessage("No.", request_id="r1").request_id == "r1"


def test_an_action_names_its_own_code() -> None:
    error = ActionError("NO_SUCH_DATASET", "Gone.", details={"id": 1}, retryable=True, after_ms=5)
    assert (error.code, error.message, error.retryable, error.after_ms) == ("NO_SUCH_DATASET", "Gone.", True, 5)
    assert ActionError.code == "INTERNAL_ERROR"  # the class is not changed by an instance


@pytest.mark.parametrize("code", ["", "lower", "1ST", "WITH SPACE", "DASH-ED", "LINE\n"])
def test_an_error_code_is_upper_case(code: str) -> None:
    with pytest.raises(ValueError, match="upper case"):
        ActionError(code, "x")


def test_retry_after() -> None:
    assert Retry(timedelta(seconds=5)).after == timedelta(seconds=5)
    assert Retry().after is None
    assert "another attempt" in str(Retry())
