import asyncio

import pytest
from aiohttp import ClientConnectionError
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from streamer.errors import StoreUnavailable
from streamer.store.dynamodb.errors import CAUGHT, Busy, ConditionFailed, InvalidRequest, Missing, translated
from streamer.store.feed import Expired, Trimmed
from tests.unit.streamer.store.dynamodb.recorder import CONDITION_FAILED, refusal


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("ValidationException", InvalidRequest),
        ("SerializationException", InvalidRequest),
        ("ResourceNotFoundException", Missing),
        ("ResourceInUseException", Busy),
        ("LimitExceededException", Busy),
        ("TrimmedDataAccessException", Trimmed),
        ("ExpiredIteratorException", Expired),
        ("ProvisionedThroughputExceededException", StoreUnavailable),
        ("ThrottlingException", StoreUnavailable),
        ("InternalServerError", StoreUnavailable),
        ("ExpiredTokenException", StoreUnavailable),
        ("SomethingNew", StoreUnavailable),
    ],
)
def test_each_code(code: str, ours: type[Exception]) -> None:
    assert type(translated(refusal(code))) is ours


def test_an_answer_without_a_code() -> None:
    assert type(translated(ClientError({}, "Query"))) is StoreUnavailable


def test_a_failed_condition_brings_the_row() -> None:
    item = {"RequestID": {"S": "0a"}}
    with_row, without = translated(refusal(CONDITION_FAILED, Item=item)), translated(refusal(CONDITION_FAILED))
    assert isinstance(with_row, ConditionFailed)
    assert with_row.item == item
    assert isinstance(without, ConditionFailed)
    assert without.item is None


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="http://127.0.0.1:9"),
        NoCredentialsError(),
        ClientConnectionError(),
        TimeoutError(),
        ConnectionResetError(),
    ],
)
def test_no_answer_is_unavailable(error: Exception) -> None:
    assert isinstance(error, CAUGHT)
    assert type(translated(error)) is StoreUnavailable


def test_a_bug_of_ours_is_loud_and_says_what_dynamodb_said() -> None:
    bug = translated(refusal("ValidationException"))
    assert not isinstance(bug, StoreUnavailable)
    assert "as the test says" in str(bug)


def test_a_client_is_not_told_what_dynamodb_said() -> None:
    assert "as the test says" not in str(translated(refusal("ThrottlingException")))


def test_being_cancelled_is_no_error_of_the_store() -> None:
    assert not issubclass(asyncio.CancelledError, CAUGHT)
