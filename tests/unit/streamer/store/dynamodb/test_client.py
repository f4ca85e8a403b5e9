import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import pytest
from botocore.exceptions import CredentialRetrievalError
from botocore.utils import ContainerMetadataFetcher

from streamer.errors import ConfigurationError, StoreUnavailable
from streamer.store.dynamodb import client as clients
from streamer.store.dynamodb.client import Answer, Client, Send
from streamer.store.dynamodb.errors import ConditionFailed, InvalidRequest
from streamer.store.dynamodb.requests import Request
from tests.unit.streamer.store.dynamodb.recorder import CONDITION_FAILED, Recorder, refusal


class Observed:
    """What an observer was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, BaseException | None]] = []

    def __call__(self, verb: str, seconds: float, error: BaseException | None) -> None:
        assert seconds >= 0
        self.calls.append((verb, error))


async def test_a_call_is_sent_and_observed() -> None:
    send, observed = Recorder({"Item": 1}), Observed()
    assert await Client(send, observer=observed).call("claim", "update_item", {"Key": 1}) == {"Item": 1}
    assert send.asked == [("update_item", {"Key": 1})]
    assert observed.calls == [("claim", None)]


async def test_an_error_is_ours_and_keeps_its_cause() -> None:
    throttled, observed = refusal("ThrottlingException"), Observed()
    with pytest.raises(StoreUnavailable) as raised:
        await Client(Recorder(throttled), observer=observed).call("claim", "update_item", {})
    assert raised.value.__cause__ is throttled
    assert observed.calls == [("claim", raised.value)]


async def test_a_refusal_is_an_answer() -> None:
    observed = Observed()
    with pytest.raises(ConditionFailed):
        await Client(Recorder(refusal(CONDITION_FAILED)), observer=observed).call("claim", "update_item", {})
    assert observed.calls == [("claim", None)]


async def test_a_bug_is_loud() -> None:
    with pytest.raises(InvalidRequest):
        await Recorder(refusal("ValidationException")).client.call("claim", "update_item", {})


class Silent:
    """Never answers."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def __call__(self, _operation: str, _request: dict[str, Any]) -> dict[str, Any]:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


async def test_a_call_ends_with_its_time() -> None:
    with pytest.raises(StoreUnavailable) as raised:
        await Client(Silent(), limit_s=0).call("beat", "update_item", {})
    assert isinstance(raised.value.__cause__, TimeoutError)


async def test_a_cancelled_caller_is_cancelled() -> None:
    silent, observed = Silent(), Observed()
    call = asyncio.create_task(Client(silent, observer=observed).call("claim", "update_item", {}), name="call")
    await silent.asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    [(verb, error)] = observed.calls
    assert verb == "claim"
    assert isinstance(error, asyncio.CancelledError)


async def test_the_cost_of_a_call_is_asked_for_only_where_somebody_wants_it() -> None:
    costs: list[tuple[str, Any]] = []
    send = Recorder({"ConsumedCapacity": {"CapacityUnits": 2}}, {}, {"ConsumedCapacity": {"CapacityUnits": 3}})
    client = Client(send, on_capacity=lambda verb, cost: costs.append((verb, cost)))
    await client.call("claim", "update_item", {"Key": 1})
    await client.call("describe_table", "describe_table", {})
    await Client(send).call("claim", "update_item", {"Key": 1})
    assert send.requests("ReturnConsumedCapacity") == ["INDEXES", None, None]
    assert costs == [("claim", {"CapacityUnits": 2})]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with nothing of AWS in it but a key."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    return monkeypatch


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
async def test_either_name_of_the_region(aws: pytest.MonkeyPatch, name: str) -> None:
    aws.setenv(name, "eu-central-1")
    async with clients.connected(clients.CALLS) as send:
        assert callable(send)


async def test_no_region_is_one_sentence(aws: pytest.MonkeyPatch) -> None:
    assert aws
    with pytest.raises(ConfigurationError, match=r"^DynamoDB needs a region: set AWS_REGION\.$"):
        async with clients.connected(clients.CALLS):
            pass


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("AWS_ENDPOINT_URL_DYNAMODB", "nonsense", "nonsense"), ("AWS_PROFILE", "nobody", "nobody")],
)
async def test_settings_that_the_sdk_refuses(aws: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    aws.setenv("AWS_REGION", "us-east-1")
    aws.setenv(name, value)
    with pytest.raises(ConfigurationError, match=said):
        async with clients.connected(clients.CALLS):
            pass


async def test_a_client_on_demand_is_connected_once_and_closed() -> None:
    told: list[str] = []
    send = Recorder({"n": 1}, {"n": 2})

    @asynccontextmanager
    async def connect() -> AsyncIterator[Recorder]:
        told.append("connected")
        yield send
        told.append("closed")

    async with clients.on_demand(connect) as on_demand:
        assert told == []
        answers = await asyncio.gather(on_demand("get_records", {}), on_demand("get_records", {}))
        assert sorted(answer["n"] for answer in answers) == [1, 2]
        assert told == ["connected"]
    assert told == ["connected", "closed"]


async def test_a_client_that_closes_waits_for_the_calls_under_way_and_takes_no_more() -> None:
    told: list[str] = []
    answered = asyncio.Event()

    async def slow(_operation: str, _request: Request) -> Answer:
        await answered.wait()
        told.append("answered")
        return {}

    @asynccontextmanager
    async def connect() -> AsyncIterator[Send]:
        yield slow
        told.append("closed")

    async with clients.on_demand(connect) as send:
        under_way = asyncio.create_task(Client(send).call("beat", "update_item", {}), name="under way")
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.01, answered.set)
    assert told == ["answered", "closed"]
    assert await under_way == {}
    with pytest.raises(StoreUnavailable):
        await Client(send).call("beat", "update_item", {})
    assert told == ["answered", "closed"]


async def test_a_client_on_demand_that_nobody_asks_is_never_connected() -> None:
    def connect() -> NoReturn:
        raise AssertionError("nobody asked")

    async with clients.on_demand(connect) as on_demand:
        assert callable(on_demand)


async def test_a_client_that_is_wanted_at_once_waits_for_its_credentials_only() -> None:
    told: list[str] = []
    missing = [CredentialRetrievalError(provider="container-role", error_msg="down")] * 2

    @asynccontextmanager
    async def connect() -> AsyncIterator[Recorder]:
        told.append("asked")
        if missing:
            raise missing.pop()
        yield Recorder({"n": 1})

    async with clients.on_demand(connect, at_once=True) as send:
        assert told == ["asked"]
        with pytest.raises(StoreUnavailable):
            await Client(send).call("list_tables", "list_tables", {})
        assert await send("list_tables", {}) == {"n": 1}
    assert told == ["asked"] * 3


async def test_what_is_wrong_for_good_is_told_at_once() -> None:
    def connect() -> NoReturn:
        raise ConfigurationError("no region")

    with pytest.raises(ConfigurationError):
        async with clients.on_demand(connect, at_once=True):
            pass


async def test_credentials_that_cannot_be_had_for_now_are_no_wrong_setting(
    aws: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.setenv("AWS_REGION", "us-east-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        aws.delenv(name, raising=False)
    aws.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/")
    monkeypatch.setattr(ContainerMetadataFetcher, "SLEEP_TIME", 0)
    with pytest.raises(CredentialRetrievalError):
        async with clients.connected(clients.CALLS):
            pass


async def test_streams_are_a_service_of_their_own(aws: pytest.MonkeyPatch) -> None:
    aws.setenv("AWS_REGION", "us-east-1")
    async with clients.connected(clients.BEATS, "dynamodbstreams") as send:
        with pytest.raises(AttributeError):
            await send("put_item", {})


async def test_nobody_listens(aws: pytest.MonkeyPatch) -> None:
    aws.setenv("AWS_REGION", "us-east-1")
    aws.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")
    async with clients.connected(clients.BEATS) as send:
        with pytest.raises(StoreUnavailable):
            await Client(send).call("list_tables", "list_tables", {})


@pytest.mark.parametrize(("config", "attempts", "read_timeout_s"), [(clients.CALLS, 3, 2), (clients.BEATS, 1, 1)])
def test_bounds_of_calls_and_beats(config: Any, attempts: int, read_timeout_s: int) -> None:
    assert config.retries == {"mode": "standard", "total_max_attempts": attempts}
    assert (config.connect_timeout, config.read_timeout) == (1, read_timeout_s)
    assert config.max_pool_connections == 100
