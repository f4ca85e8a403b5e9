import pytest
from aiobotocore.session import AioSession
from botocore.exceptions import ClientError, CredentialRetrievalError

from streamer.store.dynamodb import blame
from streamer.store.dynamodb.blame import Place, lasting
from streamer.store.finding import Verdict

AWS = Place("eu-west-1", None, ("eu-west-1", "us-east-1"), has_credentials=True)
LOCAL = Place("local", "http://127.0.0.1:8000", (), has_credentials=True)


def refusal(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DescribeTable")


def test_where_it_is_looked_for() -> None:
    assert str(AWS) == "DynamoDB in eu-west-1"
    assert str(LOCAL) == "DynamoDB in local at http://127.0.0.1:8000"
    assert AWS.others == ["us-east-1"]


def test_an_endpoint_of_ones_own_may_have_any_region() -> None:
    assert blame.before_any_call(LOCAL) is None
    fault = blame.before_any_call(Place("local", None, ("eu-west-1",), has_credentials=True))
    assert fault is not None
    assert fault.what == "AWS has no region local."


@pytest.mark.parametrize(
    ("message", "offset_s", "what"),
    [
        (
            "Signature expired: x is now earlier than y",
            -600.0,
            "This machine's clock is 10 min 0 s behind the store's.",
        ),
        ("Signature not yet current: x", None, "This machine's clock is wrong: AWS says, Signature not yet current: x"),
    ],
)
def test_a_signature_of_another_time_is_the_clocks_fault(message: str, offset_s: float | None, what: str) -> None:
    fault = blame.of(refusal("InvalidSignatureException", message), AWS, offset_s)
    assert (fault.check, fault.what) == ("clock", what)


def test_a_signature_of_the_right_time_is_the_secrets() -> None:
    assert blame.of(refusal("InvalidSignatureException", "does not match"), AWS, 0.0).check == "credentials"


def test_a_store_that_is_busy_is_not_wrong() -> None:
    busy = blame.of(refusal("ThrottlingException", "Slow down"), AWS, 0.0)
    assert (busy.verdict, busy.what) == (
        Verdict.UNKNOWN,
        "DynamoDB in eu-west-1 answers ThrottlingException: Slow down.",
    )


@pytest.mark.parametrize(("place", "remedy"), [(AWS, "VPC endpoint"), (LOCAL, "AWS_ENDPOINT_URL_DYNAMODB")])
def test_what_to_do_about_silence_depends_on_where_it_is(place: Place, remedy: str) -> None:
    fault = blame.of(TimeoutError(), place, None)
    assert fault.what == f"{place} cannot be reached: no answer within 4 s."
    assert remedy in fault.remedy


def test_durations_are_read_by_people() -> None:
    assert [lasting(seconds) for seconds in (31.4, 119, 605)] == ["31 s", "119 s", "10 min 5 s"]


async def test_credentials_that_cannot_be_had_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: AioSession) -> None:
        raise CredentialRetrievalError(provider="role", error_msg="no")

    monkeypatch.setattr(AioSession, "get_credentials", fail)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setattr(blame, "_endpoint", nowhere)
    fault = blame.before_any_call(await blame.place())
    assert fault is not None
    assert fault.check == "credentials"


async def nowhere(*_: object) -> None:
    """AWS's own."""
