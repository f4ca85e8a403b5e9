"""What the same jobs cost in the schema of the Go system that Streamer re-creates, counted by the same server: the
other column of the table in `docs/queue.md`.

Its table (github.com/pay-theory/streamer, internal/store/migrations.go) has two indexes that hold all attributes,
by connection and by status; its writes are those of internal/store/request_queue.go. Output and checkpoints have no
place there.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from streamer.jobs import ids
from streamer.store.dynamodb import client as clients
from streamer.store.dynamodb.client import Client
from tests.support.bill import Bill
from tests.support.store import Engine

Item = dict[str, Any]
KEY = {"RequestID": {"S": "018f0000-0000-7000-8000-000000000000"}}
NOW = {"S": "2026-11-22T12:00:00.000000001Z"}


class Original:
    """The writes that the original makes for one job."""

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        self._table = f"{prefix}requests"

    async def create(self) -> None:
        keys = ["RequestID", "ConnectionID", "Status", "CreatedAt"]
        indexes = {"ConnectionIndex": ["ConnectionID", "CreatedAt"], "StatusIndex": ["Status", "CreatedAt"]}
        request = {
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in keys],
            "KeySchema": _schema(["RequestID"]),
            "GlobalSecondaryIndexes": [
                {"IndexName": name, "KeySchema": _schema(key), "Projection": {"ProjectionType": "ALL"}}
                for name, key in indexes.items()
            ],
        }
        await self._call("create_table", **request)

    async def enqueue(self) -> None:
        item = {
            **KEY,
            "ConnectionID": {"S": "L0SM9cOFvHcCIhw="},
            "Status": {"S": "PENDING"},
            "CreatedAt": NOW,
            "Action": {"S": "report"},
            "Payload": {"M": {"text": {"S": "x" * 149}}},
            "Progress": {"N": "0"},
            "RetryCount": {"N": "0"},
            "MaxRetries": {"N": "3"},
            "UserID": {"S": "ann"},
            "TenantID": {"S": "acme"},
            "TTL": {"N": "1800000000"},
        }
        await self._call("put_item", Item=item, ConditionExpression="attribute_not_exists(RequestID)")

    async def update_status(self) -> None:
        await self._update(
            "SET #s = :status, ProgressMessage = :message, ProcessingStarted = :now",
            status={"S": "PROCESSING"},
            message={"S": "Request dequeued for processing"},
            now=NOW,
        )

    async def update_progress(self, number: int) -> None:
        await self._update(
            "SET #s = #s, Progress = :progress, ProgressMessage = :message, ProgressDetails = :details",
            progress={"N": f"{number / 15:.2f}"},
            message={"S": f"Reading page {number} of 15"},
            details={"M": {"rows": {"N": str(number * 1_000)}}},
        )

    async def complete(self) -> None:
        await self._update(
            "SET #s = :status, ProcessingEnded = :now, Progress = :progress, #r = :result",
            {"#r": "Result"},
            status={"S": "COMPLETED"},
            now=NOW,
            progress={"N": "1.0"},
            result={"M": {"url": {"S": "https://example.com/report.pdf"}}},
        )

    async def _update(self, expression: str, names: dict[str, str] | None = None, /, **values: Any) -> None:
        await self._call(
            "update_item",
            Key=KEY,
            UpdateExpression=expression,
            ConditionExpression="attribute_exists(RequestID)",
            ExpressionAttributeNames={"#s": "Status", **(names or {})},
            ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
        )

    async def _call(self, operation: str, **request: Any) -> None:
        await self._client.call(operation, operation, {"TableName": self._table, **request})


def _schema(key: list[str]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(key, ("HASH", "RANGE"), strict=False)]


@pytest.fixture
def bill() -> Bill:
    return Bill(f"original_{ids.nonce()}_")


@pytest.fixture
async def original(dynamodb_engine: Engine, bill: Bill, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Original]:
    for name, value in dynamodb_engine.environment.items():
        monkeypatch.setenv(name, value)
    async with clients.connected(clients.CALLS) as send:
        schema = Original(Client(send, on_capacity=bill.add), bill.prefix)
        await schema.create()
        yield schema


async def test_a_minimal_job_costs_eleven(original: Original, bill: Bill) -> None:
    await original.enqueue()
    await original.update_status()
    await original.complete()
    assert bill.take() == {"requests": 3, "ConnectionIndex": 3, "StatusIndex": 5}


async def test_thirty_seconds_with_progress_every_two_cost_fifty_six(original: Original, bill: Bill) -> None:
    await original.enqueue()
    await original.update_status()
    for number in range(1, 16):
        await original.update_progress(number)
    await original.complete()
    units = bill.take()
    assert units == {"requests": 18, "ConnectionIndex": 18, "StatusIndex": 20}
    assert sum(units.values()) == 56
