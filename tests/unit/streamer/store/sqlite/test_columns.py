from dataclasses import fields, replace
from typing import Any

import pytest

from streamer.jobs.model import Aside, Entry, Failure, Job, Kept, Progress, Status
from streamer.store.sqlite.columns import COLUMNS, decode, encode, encode_job
from tests.support.jobs import NOON_MS, row, row_in

EVERYTHING: dict[str, Any] = {
    "client_id": "~:-_.r1",
    "metadata": {"traceparent": "00-1", "deep": [1, 2.5, None, {"é": "\u2028"}]},
    "virtual_time": -5,
    "max_retries": 3,
    "durable": True,
    "redrive_of": "older",
    "version": 7,
    "status": Status.RETRYING,
    "attempt": 2,
    "retry_count": 1,
    "owner": "session",
    "claim_nonce": "nonce",
    "due_ms": NOON_MS + 1,
    "start_by_ms": NOON_MS + 2,
    "started_ms": NOON_MS + 3,
    "ended_ms": NOON_MS + 4,
    "expires_ms": NOON_MS + 5,
    "cancel_requested_ms": NOON_MS + 6,
    "redriven_as": "newer",
    "entry": Entry("T#default#0", "1#2#acme#report"),
    "seq": 1_000_000_007,
    "progress": Progress(12.5, "halb\u2028fertig", {"rows": 3}),
    "result": b'{"url":"x"}',
    "error": Failure("PROCESSING_FAILED", "no", {"error_id": "e"}, retryable=True),
    "chunks": 4,
    "checkpoint": Aside("c#2#1", 3),
    "kept": (Kept(1, 4), Kept(2, 1_000_000)),
    "routes": frozenset({"b.2", "a.1"}),
    "watch_version": 5,
    "unknown": {"Zone": {"S": "eu"}},
}


def test_every_field_has_its_column() -> None:
    names = {field.name for field in fields(Job)} - {"entry"} | {"entry_partition", "entry_sort"}
    assert set(COLUMNS) == names
    assert len(COLUMNS) == len(names)


@pytest.mark.parametrize("job", [row(), row(**EVERYTHING), row(payload=Aside("p#1", 2)), *map(row_in, Status)])
def test_a_job_comes_back_as_it_was(job: Job) -> None:
    back = decode(encode_job(job))
    assert back == job
    assert back.unknown == job.unknown
    assert type(back.status) is Status
    assert type(back.durable) is bool


def test_an_inline_body_is_told_from_a_name_by_its_type() -> None:
    inline, named = encode({"result": b'["p#1",2]'}), encode({"result": Aside("p#1", 2)})
    assert (inline, named) == ({"result": b'["p#1",2]'}, {"result": '["p#1",2]'})


@pytest.mark.parametrize(
    ("changes", "columns"),
    [
        ({"entry": None}, {"entry_partition": None, "entry_sort": None}),
        ({"entry": Entry("p", "s")}, {"entry_partition": "p", "entry_sort": "s"}),
        ({"routes": frozenset()}, {"routes": "[]"}),
        ({"status": Status.FAILED, "owner": None}, {"status": "FAILED", "owner": None}),
        ({"progress": None}, {"progress": None}),
        ({"kept": ()}, {"kept": "[]"}),
        ({"kept": (Kept(1, 50), Kept(2, 60))}, {"kept": "[[1,50],[2,60]]"}),
    ],
)
def test_columns_of_changes(changes: dict[str, Any], columns: dict[str, Any]) -> None:
    assert encode(changes) == columns


def test_the_order_in_which_routes_came_does_not_show() -> None:
    routes = [f"{n}.x" for n in range(8)]
    assert encode({"routes": frozenset(routes)}) == encode({"routes": frozenset(reversed(routes))})
    assert decode(encode_job(replace(row(), routes=frozenset(routes)))).routes == frozenset(routes)
