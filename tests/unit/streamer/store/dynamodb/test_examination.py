from email.utils import formatdate
from typing import Any

import pytest

from streamer.errors import ConfigurationError
from streamer.store.dynamodb import examination, keys, tables
from streamer.store.dynamodb.blame import Place
from streamer.store.dynamodb.client import Answer
from streamer.store.dynamodb.examination import Look
from streamer.store.dynamodb.requests import Request
from streamer.store.finding import Examination, Verdict
from tests.unit.streamer.store.dynamodb.recorder import refusal

NOW_S = 1_700_000_000
PLACE = Place("eu-west-1", None, ("eu-west-1",), has_credentials=True)
REQUESTS, *_ = TABLES = tables.declared(keys.TableNames("s_"))


class Account:
    """Complete tables, but for what is changed: `expiry` a status or what is raised, `dated` whether answers are."""

    def __init__(self, *, expiry: str | Exception = "ENABLED", dated: bool = True, **changed: Any) -> None:
        self.expiry = expiry
        self.dated = dated
        self.changed = changed  # of the first table

    async def __call__(self, operation: str, request: Request) -> Answer:
        if operation == "describe_time_to_live":
            if isinstance(self.expiry, Exception):
                raise self.expiry
            return {"TimeToLiveDescription": {"TimeToLiveStatus": self.expiry}}
        table = next(table for table in TABLES if table.name == request["TableName"])
        described = {
            "TableStatus": "ACTIVE",
            "StreamSpecification": {"StreamEnabled": table.stream},
            "GlobalSecondaryIndexes": [{"IndexName": name, "IndexStatus": "ACTIVE"} for name in table.indexes],
        }
        headers = {"date": formatdate(NOW_S, usegmt=True)} if self.dated else {}
        changed = self.changed if table is REQUESTS else {}
        return {"Table": described | changed, "ResponseMetadata": {"HTTPHeaders": headers}}


async def look(account: Account, *, needs_stream: bool = True, ahead_s: int = 0) -> Examination:
    taken = Look(account, PLACE, "s_", needs_stream=needs_stream, clock=lambda: (NOW_S + ahead_s) * 1000)
    return await taken.taken()


def faults(examination: Examination) -> list[str]:
    return [finding.what for finding in examination.findings if finding.verdict is Verdict.WRONG]


NO_STREAM: dict[str, Any] = {"StreamSpecification": {}}


@pytest.mark.parametrize(
    ("account", "fault"),
    [
        (Account(GlobalSecondaryIndexes=[]), "Table s_requests lacks the index DispatchIndex."),
        (Account(TableStatus="DELETING"), "Table s_requests is not ready yet: it is DELETING."),
        (Account(**NO_STREAM), "Table s_requests has no stream."),
    ],
)
async def test_what_a_table_lacks(account: Account, fault: str) -> None:
    found = await look(account)
    assert faults(found) == [fault]
    assert found.can_be_read


async def test_a_stream_that_nobody_reads_is_not_missed() -> None:
    assert faults(await look(Account(**NO_STREAM), needs_stream=False)) == []


async def test_rows_that_never_expire_are_told_unless_that_may_not_be_asked() -> None:
    never = [f"Rows of table {table.name} never expire." for table in TABLES if table.expires]
    assert faults(await look(Account(expiry="DISABLED"))) == never
    assert faults(await look(Account(expiry=refusal("AccessDeniedException")))) == []


async def test_a_table_that_is_changing_is_fine() -> None:
    assert faults(await look(Account(TableStatus="UPDATING"))) == []


async def test_a_clock_that_is_wrong_keeps_nobody_from_looking_further() -> None:
    found = await look(Account(), ahead_s=600)
    assert [finding.split(" the ")[0] for finding in faults(found)] == ["This machine's clock is 9 min 59 s ahead of"]
    assert (found.can_be_read, found.offset_s) == (True, 599.0)
    assert [finding.check for finding in found.findings] == ["store", "clock", "tables"]


async def test_answers_without_a_date_tell_nothing_of_the_clock() -> None:
    found = await look(Account(dated=False))
    assert [each.what for each in found.findings if each.verdict is Verdict.UNKNOWN] == [
        "Nothing tells the store's time."
    ]


async def test_what_the_sdk_refuses_after_all_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def there() -> Place:
        return PLACE

    def refused(*_: object) -> Any:
        raise ConfigurationError("It will not.")

    monkeypatch.setattr("streamer.store.dynamodb.blame.place", there)
    monkeypatch.setattr("streamer.store.dynamodb.client.connected", refused)
    found = await examination.examine("s_", needs_stream=True, clock=lambda: 0)
    assert faults(found) == ["It will not."]
