import pytest

from streamer.jobs.lifecycle import Guard
from streamer.jobs.model import Status
from streamer.store.admin import Place
from streamer.store.dynamodb import admin, items, keys, reads
from streamer.store.dynamodb.admin import DynamoDBAdminRows
from tests.support.jobs import row, row_in
from tests.unit.streamer.store.dynamodb.recorder import CONDITION_FAILED, Recorder, refusal

TABLES = keys.TableNames("t_")


def rows(*answers: object) -> tuple[DynamoDBAdminRows, Recorder]:
    recorder = Recorder(*answers)  # type: ignore[arg-type]  # answers and exceptions
    return DynamoDBAdminRows(recorder.client, TABLES), recorder


def test_a_page_goes_on_behind_a_place_that_may_be_gone() -> None:
    request = admin.page("t", "D#q#0", Place("0001#x", "j1"))
    assert request["ExclusiveStartKey"] == {
        "RequestID": {"S": "j1"},
        "DispatchPK": {"S": "D#q#0"},
        "DispatchSK": {"S": "0001#x"},
    }
    assert "ExclusiveStartKey" not in admin.page("t", "D#q#0", None)


def test_a_row_is_deleted_only_if_the_guard_holds() -> None:
    request = admin.delete_row("t", "j1", Guard(statuses=frozenset({Status.FAILED}), principal=("acme", "ann")))
    assert (request["Key"], request["ReturnValues"]) == ({"RequestID": {"S": "j1"}}, "ALL_OLD")
    assert request["ConditionExpression"] == "#st IN (:FAILED) AND #tn = :if_tn AND #us = :if_us"


async def test_a_row_that_was_deleted_is_returned() -> None:
    dead = row_in(Status.FAILED)
    own, _ = rows({"Attributes": items.encode(dead)}, refusal(CONDITION_FAILED))
    guard = Guard(statuses=frozenset({Status.FAILED}))
    assert await own.delete_row(dead.job_id, guard) == dead
    assert await own.delete_row(dead.job_id, guard) is None


@pytest.mark.parametrize(("user", "wanted"), [(None, "#tn = :tenant"), ("ann", "#tn = :tenant AND #us = :user")])
def test_what_belongs_to_somebody_is_found_by_a_scan(user: str | None, wanted: str) -> None:
    request = admin.belonging("t", "acme", user)
    assert (request["FilterExpression"], request["ConsistentRead"]) == (wanted, True)


async def test_a_scan_goes_on_to_the_last_page() -> None:
    first, second = row(), row(job_id="j2")
    own, asked = rows(
        {"Items": [items.encode(first)], "LastEvaluatedKey": {"RequestID": {"S": "x"}}},
        {"Items": [], "LastEvaluatedKey": {"RequestID": {"S": "y"}}},  # a page on which nobody's rows are
        {"Items": [items.encode(second)]},
    )
    assert [page async for page in own.jobs_of("acme", None)] == [[first], [], [second]]
    assert list(asked.requests("ExclusiveStartKey")) == [None, {"RequestID": {"S": "x"}}, {"RequestID": {"S": "y"}}]
    assert asked.operations == ["scan"] * 3


async def test_the_rows_of_a_user_are_read_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "BATCH", 1)
    mine, stranger = row(), row(job_id="j2", user="eve")  # whose key would have to collide
    listed = [{keys.REQUEST_ID: {"S": job.job_id}} for job in (mine, stranger)]
    answers = [{"Responses": {"t_requests": [items.encode(job)]}} for job in (mine, stranger)]
    own, _ = rows({"Items": listed}, *answers, *[{"Items": []}] * 3)
    assert [page async for page in own.jobs_of(mine.tenant, mine.user)] == [[mine], []]
