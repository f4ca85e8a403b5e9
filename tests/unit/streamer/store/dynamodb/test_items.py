from dataclasses import replace
from typing import Any

import pytest

from streamer.jobs.model import Aside, Entry, Failure, Job, Kept, Progress, Status
from streamer.store.base import Connection
from streamer.store.dynamodb import items, keys
from tests.support.jobs import NOON_MS, row, row_in


def everything() -> Job:
    """A row in which no field has its default."""
    return row(
        metadata={"traceparent": "00-1", "n": None},
        max_retries=3,
        durable=True,
        redrive_of="old",
        version=2,
        status=Status.FAILED,
        attempt=2,
        retry_count=1,
        owner="session",
        claim_nonce="nonce",
        due_ms=NOON_MS + 1,
        start_by_ms=NOON_MS + 2,
        started_ms=NOON_MS + 3,
        ended_ms=NOON_MS + 4,
        expires_ms=NOON_MS + 5000,
        cancel_requested_ms=NOON_MS + 6,
        redriven_as="new",
        seq=1_000_000_007,
        progress=Progress(33.3, "Zeile ä", {"rows": [1, 2]}),
        result=b'{"a":1}',
        error=Failure("OOPS", "It broke.", {"error_id": "e"}, retryable=True),
        chunks=4,
        checkpoint=Aside("c#2#1", 2),
        kept=(Kept(1, 4), Kept(2, 1_000_000)),
        routes=frozenset({"n.a", "n.b"}),
        watch_version=5,
    )


@pytest.mark.parametrize("status", Status)
def test_a_row_comes_back_as_it_went(status: Status) -> None:
    assert items.decode(items.encode(row_in(status))) == row_in(status)


def test_a_row_with_everything_comes_back_as_it_went() -> None:
    assert items.decode(items.encode(everything())) == everything()


def test_what_is_not_there_has_no_attribute() -> None:
    item = items.encode(row(start_by_ms=None, entry=None, payload=b""))
    assert set(item) == {
        *("RequestID", "ci", "tn", "us", "ac", "qu", "pl", "ph", "CreatedAt", "sn", "vt", "mr", "v"),
        *("st", "at", "rc", "sq", "UserKey"),
    }
    assert items.decode(item).routes == frozenset()


def test_what_was_kept_is_json_and_left_out_where_nothing_was() -> None:
    assert items.value("kept", (Kept(1, 50), Kept(2, 60))) == {"B": b"[[1,50],[2,60]]"}
    assert items.value("kept", ()) is None


def test_the_entry_is_two_attributes_by_the_names_of_the_index() -> None:
    item = items.encode(row(entry=Entry("R#default#1", "17#x")))
    assert item["DispatchPK"] == {"S": "R#default#1"}
    assert item["DispatchSK"] == {"S": "17#x"}


def test_attributes_of_a_newer_version_pass_through() -> None:
    newer = {**items.encode(row()), "zz": {"M": {"a": {"N": "1"}}}}
    job = items.decode(newer)
    assert job.unknown == {"zz": {"M": {"a": {"N": "1"}}}}
    assert items.encode(job) == newer


@pytest.mark.parametrize("body", [b"", b"{}", Aside("p#abc", 1), Aside("r#1", 12)])
def test_a_body_is_bytes_or_the_name_of_a_side_item(body: Any) -> None:
    assert items.decode(items.encode(row(payload=body))).payload == body


def test_time_to_live_is_in_whole_seconds_and_never_early() -> None:
    assert items.seconds(1_001) == {"N": "2"}
    assert items.seconds(2_000) == {"N": "2"}


def test_a_connection_comes_back_as_it_went() -> None:
    connection = Connection(
        connection_id="n.1",
        node_id="n",
        tenant="acme",
        user="ann",
        connected_ms=NOON_MS,
        last_ping_ms=NOON_MS + 1,
        reconnects=3,
        source_ip="::1",
        user_agent="curl",
    )
    item = items.encode_connection(connection, NOON_MS + 1000)
    assert items.decode_connection(item) == connection
    assert item["expires"] == {"N": str(NOON_MS // 1000 + 1)}
    assert item["UserKey"] == {"S": keys.user_key("acme", "ann")}
    assert item["TenantKey"] == {"S": keys.tenant_key("acme", "n.1")}


def test_a_first_connection_has_no_counter() -> None:
    connection = Connection(
        connection_id="n.1", node_id="n", tenant="acme", user="ann", connected_ms=1, last_ping_ms=1
    )  # fmt: skip
    item = items.encode_connection(connection, 1)
    assert "n" not in item
    assert items.decode_connection(item) == connection


def test_a_row_expires_at_its_second() -> None:
    item = {"expires": {"N": "100"}}
    assert not items.expired(item, 99_999)
    assert items.expired(item, 100_000)
    assert not items.expired({}, 100_000)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "aä"}, 3),
        ({"B": b"1234"}, 4),
        ({"N": "0"}, 1),
        ({"N": "7"}, 2),
        ({"N": "-7"}, 3),
        ({"N": "1800000000000"}, 2),  # two significant digits
        ({"N": "1799999999999"}, 8),
        ({"N": "12.5"}, 3),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["ab", "c"]}, 3),
        ({"NS": ["1", "12"]}, 4),
        ({"BS": [b"ab", b"c"]}, 3),
        ({"L": [{"S": "ab"}, {"NULL": True}]}, 3 + 3 + 2),
        ({"M": {"k": {"S": "ab"}}}, 3 + 1 + 1 + 2),
    ],
)
def test_bytes_as_dynamodb_counts_them(value: items.Value, size: int) -> None:
    assert items.size({"xy": value}) == 2 + size


def test_a_minimal_job_costs_one_unit_for_all_its_life() -> None:
    done = replace(row_in(Status.COMPLETED), routes=frozenset({"0123456789ab." + "x" * 22}), result=b"x" * 200)
    assert items.size(items.encode(done)) < 700
