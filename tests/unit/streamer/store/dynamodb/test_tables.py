from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from streamer.errors import StoreUnavailable
from streamer.store.dynamodb import keys, tables
from streamer.store.dynamodb.client import Answer, Client
from streamer.store.dynamodb.errors import InvalidRequest
from streamer.store.dynamodb.requests import Request
from tests.unit.streamer.store.dynamodb.recorder import Recorder, refusal

NAMES = keys.TableNames("s_")
REQUESTS, CONNECTIONS, SUBSCRIPTIONS, EVENTS, NODES, LEASES = tables.declared(NAMES)
ENABLED = "ENABLED"


def described(table: tables.Table, *, indexes: dict[str, str] | None = None, **changed: Any) -> dict[str, Any]:
    """DescribeTable of a table that is as declared, except for what is changed."""
    statuses = dict.fromkeys(table.indexes, "ACTIVE") if indexes is None else indexes
    return {
        "TableStatus": "ACTIVE",
        "StreamSpecification": {"StreamEnabled": table.stream},
        "GlobalSecondaryIndexes": [{"IndexName": name, "IndexStatus": status} for name, status in statuses.items()],
        **changed,
    }


def test_the_declared_tables() -> None:
    assert [table.name for table in tables.declared(NAMES)] == [
        "s_requests",
        "s_connections",
        "s_subscriptions",
        "s_events",
        "s_nodes",
        "s_leases",
    ]
    assert tables.create_table(REQUESTS) == {
        "TableName": "s_requests",
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "RequestID", "KeyType": "HASH"}],
        "AttributeDefinitions": [
            {"AttributeName": "RequestID", "AttributeType": "S"},
            {"AttributeName": "DispatchPK", "AttributeType": "S"},
            {"AttributeName": "DispatchSK", "AttributeType": "S"},
            {"AttributeName": "UserKey", "AttributeType": "S"},
            {"AttributeName": "CreatedAt", "AttributeType": "N"},
        ],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "DispatchIndex",
                "KeySchema": [
                    {"AttributeName": "DispatchPK", "KeyType": "HASH"},
                    {"AttributeName": "DispatchSK", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            },
            {
                "IndexName": "UserIndex",
                "KeySchema": [
                    {"AttributeName": "UserKey", "KeyType": "HASH"},
                    {"AttributeName": "CreatedAt", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            },
        ],
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    }


def test_a_table_without_indexes_and_stream() -> None:
    assert set(tables.create_table(EVENTS)) == {"TableName", "BillingMode", "KeySchema", "AttributeDefinitions"}


def test_watchers_lie_with_their_job() -> None:
    assert tables.create_table(SUBSCRIPTIONS)["KeySchema"] == [
        {"AttributeName": "RequestID", "KeyType": "HASH"},
        {"AttributeName": "ConnectionID", "KeyType": "RANGE"},
    ]
    assert SUBSCRIPTIONS.expires


def test_the_leases_of_a_feed_lie_together() -> None:
    assert tables.create_table(LEASES)["KeySchema"] == [
        {"AttributeName": "LeaseKey", "KeyType": "HASH"},
        {"AttributeName": "ShardID", "KeyType": "RANGE"},
    ]
    assert LEASES.expires


def test_an_index_for_a_live_table_defines_only_its_own_attributes() -> None:
    request = tables.create_index(REQUESTS, "UserIndex")
    assert [definition["AttributeName"] for definition in request["AttributeDefinitions"]] == [
        "RequestID",
        "UserKey",
        "CreatedAt",
    ]
    [change] = request["GlobalSecondaryIndexUpdates"]
    assert change["Create"]["IndexName"] == "UserIndex"


STREAM_OFF: dict[str, Any] = {"StreamSpecification": {}}


@pytest.mark.parametrize(
    ("present", "time_to_live", "operation"),
    [
        (None, None, "create_table"),
        (described(REQUESTS, TableStatus="CREATING"), None, None),
        (described(REQUESTS, indexes={}), None, "update_table"),
        (described(REQUESTS, indexes={"UserIndex": "CREATING"}), ENABLED, None),  # one at a time
        (described(REQUESTS, indexes={"UserIndex": "ACTIVE"}), ENABLED, "update_table"),
        (described(REQUESTS, **STREAM_OFF), ENABLED, "update_table"),
        (described(REQUESTS), "DISABLED", "update_time_to_live"),
    ],
)
def test_the_next_step(present: dict[str, Any] | None, time_to_live: str | None, operation: str | None) -> None:
    step = tables.next_step(REQUESTS, present, time_to_live)
    assert step is not None
    assert step.operation == operation


@pytest.mark.parametrize("time_to_live", ["ENABLED", "ENABLING"])
def test_nothing_is_left_to_do(time_to_live: str) -> None:
    assert tables.next_step(REQUESTS, described(REQUESTS), time_to_live) is None
    assert tables.next_step(NODES, described(NODES), None) is None


@pytest.mark.parametrize(
    ("present", "sentence"),
    [
        (None, "Table s_requests is missing: run `streamer tables create`."),
        (
            described(REQUESTS, indexes={"UserIndex": "ACTIVE"}),
            "Table s_requests lacks the index DispatchIndex: run `streamer tables create`.",
        ),
        (described(REQUESTS, TableStatus="CREATING"), "Table s_requests is not ready yet: it is CREATING."),
        (
            described(REQUESTS, indexes={"DispatchIndex": "ACTIVE", "UserIndex": "CREATING"}),
            "Index UserIndex of table s_requests is not ready yet: it is CREATING.",
        ),
        (described(REQUESTS, TableStatus="UPDATING"), None),
    ],
)
def test_why_a_table_cannot_be_used(present: dict[str, Any] | None, sentence: str | None) -> None:
    assert tables.complaint(REQUESTS, present) == sentence


class Account:
    """Tables that are made when they are asked for, each step taking one look; refuses what DynamoDB refuses."""

    def __init__(self) -> None:
        self.made: dict[str, dict[str, Any]] = {}
        self.time_to_live: dict[str, str] = {}
        self.steps: list[str] = []
        self.refusals: list[Exception] = []  # raised by the next steps, before anything is done

    async def __call__(self, operation: str, request: Request) -> Answer:
        name = request["TableName"]
        if operation.startswith("describe") and name not in self.made:
            raise refusal("ResourceNotFoundException")
        if operation == "describe_table":
            return {"Table": self._grown(name)}
        if operation == "describe_time_to_live":
            return {"TimeToLiveDescription": {"TimeToLiveStatus": self.time_to_live.get(name, "DISABLED")}}
        if self.refusals:
            raise self.refusals.pop(0)
        self.steps.append(f"{operation} {name}")
        getattr(self, f"_{operation}")(name, request)
        return {}

    def _grown(self, name: str) -> dict[str, Any]:
        seen = self.made[name]
        self.made[name] = {
            **seen,
            "TableStatus": "ACTIVE",
            "GlobalSecondaryIndexes": [{**index, "IndexStatus": "ACTIVE"} for index in seen["GlobalSecondaryIndexes"]],
        }
        return seen

    def _create_table(self, name: str, request: Request) -> None:
        indexes = request.get("GlobalSecondaryIndexes", [])
        self.made[name] = {
            "TableStatus": "CREATING",
            "GlobalSecondaryIndexes": [{**index, "IndexStatus": "CREATING"} for index in indexes],
            "StreamSpecification": request.get("StreamSpecification", {}),
        }

    def _update_table(self, name: str, request: Request) -> None:
        for change in request.get("GlobalSecondaryIndexUpdates", []):
            self.made[name]["GlobalSecondaryIndexes"].append({**change["Create"], "IndexStatus": "CREATING"})
        if "StreamSpecification" in request:
            self.made[name]["StreamSpecification"] = request["StreamSpecification"]

    def _update_time_to_live(self, name: str, _request: Request) -> None:
        self.time_to_live[name] = "ENABLED"


async def create(account: Account) -> list[float]:
    pauses: list[float] = []

    async def pause(delay_s: float) -> None:
        pauses.append(delay_s)

    await tables.create(Client(account), NAMES, pause=pause)
    return pauses


async def test_create_makes_everything_and_waits_for_it() -> None:
    account = Account()
    pauses = await create(account)
    assert account.steps == [
        "create_table s_requests",
        "update_time_to_live s_requests",
        "create_table s_connections",
        "update_time_to_live s_connections",
        "create_table s_subscriptions",
        "update_time_to_live s_subscriptions",
        "create_table s_events",
        "update_time_to_live s_events",
        "create_table s_nodes",
        "create_table s_leases",
        "update_time_to_live s_leases",
    ]
    assert len(pauses) == 6  # each table was CREATING once
    await tables.check(Client(account), NAMES)


async def test_create_again_does_nothing() -> None:
    account = Account()
    await create(account)
    account.steps.clear()
    assert await create(account) == []
    assert account.steps == []


async def test_missing_indexes_and_stream_are_added_to_a_live_table_one_at_a_time() -> None:
    account = Account()
    await create(account)
    account.made["s_requests"].update(GlobalSecondaryIndexes=[], StreamSpecification={})
    account.steps.clear()
    await create(account)
    assert account.steps == ["update_table s_requests"] * 3
    assert [index["IndexName"] for index in account.made["s_requests"]["GlobalSecondaryIndexes"]] == [
        "DispatchIndex",
        "UserIndex",
    ]


async def test_somebody_else_makes_the_same_table() -> None:
    account = Account()
    account.refusals = [refusal("ResourceInUseException"), refusal("LimitExceededException")]
    assert len(await create(account)) == 8
    assert len(account.steps) == 11


async def test_somebody_else_enabled_the_time_to_live() -> None:
    account = Account()
    await create(account)
    account.time_to_live["s_events"] = "DISABLED"
    account.refusals = [refusal("ValidationException")]
    assert len(await create(account)) == 1
    assert account.time_to_live["s_events"] == ENABLED


async def test_a_step_that_dynamodb_calls_invalid_is_a_bug() -> None:
    account = Account()
    account.refusals = [refusal("ValidationException")]
    with pytest.raises(InvalidRequest):
        await create(account)


async def test_a_table_that_never_gets_ready() -> None:
    account = Account()
    account.refusals = [refusal("ResourceInUseException")] * 1000
    with pytest.raises(StoreUnavailable, match="s_requests is still not as declared"):
        await create(account)


async def test_the_time_to_live_of_a_table_that_is_just_being_made() -> None:
    send = Recorder(
        {"Table": described(EVENTS)},
        refusal("ValidationException"),  # not ACTIVE for this call yet
        {},
        {"Table": described(EVENTS)},
        {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLING"}},
    )
    await tables.make(send.client, EVENTS, _no_pause)
    assert send.operations[2] == "update_time_to_live"


async def _no_pause(_delay_s: float) -> None: ...


async def test_check_names_the_first_table_that_cannot_be_used() -> None:
    with pytest.raises(StoreUnavailable, match=r"^Table s_requests is missing: run `streamer tables create`\.$"):
        await tables.check(Client(Account()), NAMES)


async def test_check_says_that_nobody_answers() -> None:
    nobody = Recorder(EndpointConnectionError(endpoint_url="http://127.0.0.1:9"))
    with pytest.raises(StoreUnavailable, match=r"DynamoDB did not answer about table s_requests: .*127\.0\.0\.1:9"):
        await tables.check(nobody.client, NAMES)
