"""Cron text, time zones and what a tick becomes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from pydantic import BaseModel

from streamer.jobs import ids
from streamer.schedules import Schedule, define, making

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Order(BaseModel):
    what: str


def schedule(cron: str = "0 * * * *", **options: Any) -> Schedule:
    return define(cron, action="clean", **options)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ticks(made: Schedule, after: str, count: int) -> list[str]:
    return [f"{tick:%m-%d %H:%M}" for tick in islice(made.ticks(utc(after)), count)]


def test_what_a_schedule_is_without_options() -> None:
    made = schedule()
    assert (made.name, made.action, made.tenant, made.user) == ("clean", "clean", "system", "schedule")
    assert (made.zone.key, made.missed, made.payload_at(NOON)) == ("UTC", "last", None)


def test_the_next_tick_comes_after_the_moment() -> None:
    assert schedule().following(NOON) == NOON + timedelta(hours=1)
    assert schedule().following(NOON - timedelta(milliseconds=1)) == NOON


def test_the_newest_tick_between_two_moments() -> None:
    hourly = schedule()
    assert hourly.newest(NOON - timedelta(days=1), NOON) == NOON
    assert hourly.newest(NOON - timedelta(hours=1), NOON - timedelta(seconds=1)) is None


def test_a_time_zone() -> None:
    assert ticks(schedule("0 3 * * *", timezone="Asia/Tokyo"), "2026-11-22", 2) == ["11-22 18:00", "11-23 18:00"]


def test_an_hour_that_is_left_out_ticks_just_after_the_gap() -> None:
    nightly = schedule("30 2 * * *", timezone="Europe/Berlin")
    assert ticks(nightly, "2026-03-28", 3) == ["03-28 01:30", "03-29 01:00", "03-30 00:30"]


def test_an_hour_that_comes_twice_ticks_once() -> None:
    nightly = schedule("30 2 * * *", timezone="Europe/Berlin")
    assert ticks(nightly, "2026-10-24T12:00", 2) == ["10-25 00:30", "10-26 01:30"]
    assert ticks(nightly, "2026-10-25T01:10", 1) == ["10-26 01:30"]  # within the second 2 o'clock


def test_what_runs_every_hour_follows_real_time() -> None:
    hourly = schedule("0 * * * *", timezone="Europe/Berlin")
    assert ticks(hourly, "2026-10-24T23:30", 4) == ["10-25 00:00", "10-25 01:00", "10-25 02:00", "10-25 03:00"]


def test_the_ticks_are_the_same_wherever_one_begins_to_count() -> None:
    """Processes begin at different moments, and must find the same ids."""
    for start in ("2026-03-27T12:00", "2026-10-23T12:00"):
        for cron in ("30 2 * * *", "*/20 1-3 * * *", "15 * * * *"):
            made = schedule(cron, timezone="Europe/Berlin")
            began, end = utc(start), utc(start) + timedelta(days=3)
            known = set(_up_to(made, began, end))
            for minutes in range(0, 3 * 24 * 60, 17):
                assert made.following(began + timedelta(minutes=minutes)) in known | {made.following(end)}


def _up_to(made: Schedule, after: datetime, end: datetime) -> Iterator[datetime]:
    for tick in made.ticks(after):
        if tick > end:
            return
        yield tick


def test_the_id_of_a_tick_is_the_same_in_every_time_zone_and_a_client_could_have_given_it() -> None:
    made = schedule(name="x" * 64, timezone="Asia/Tokyo")
    name = made.client_id(NOON)
    assert name == f"schedule:{'x' * 64}:20261122T1200Z" == made.client_id(NOON.astimezone(made.zone))
    assert ids.CLIENT_ID.fullmatch(name)


def test_payloads() -> None:
    given = {"a": [1]}
    fixed = schedule(payload=given)
    given["a"].append(2)
    assert fixed.payload_at(NOON) == {"a": [1]}
    assert schedule(payload=Order(what="all")).payload_at(NOON) == {"what": "all"}
    local = schedule(payload=lambda tick: tick.isoformat(), timezone="Asia/Tokyo")
    assert local.payload_at(NOON) == "2026-11-22T21:00:00+09:00"
    assert making(schedule(), lambda tick: tick.year).payload_at(NOON) == 2026


async def later(_: datetime) -> None: ...


def one_by_one(_: datetime) -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("cron", "options", "sentence"),
    [
        ("* * * *", {}, "5 fields"),
        ("0 * * * * *", {}, "5 fields"),
        ("61 * * * *", {}, "no cron text: Bad minute"),
        ("0 0 30 2 *", {}, "no cron text"),
        ("0 0 */31 * MON#5", {"name": "fifth"}, "fifth: .*never comes"),
        ("* * * * *", {"timezone": "Moon/Base"}, "no time zone"),
        ("* * * * *", {"timezone": "Europe"}, "no time zone"),
        ("* * * * *", {"timezone": "../zone"}, "no time zone"),
        ("* * * * *", {"missed": "all"}, "last, skip"),
        ("* * * * *", {"name": "a b"}, "a schedule's name"),
        ("* * * * *", {"name": "x" * 65}, "a schedule's name"),
        ("* * * * *", {"tenant": ""}, "a tenant"),
        ("* * * * *", {"user": "a\0b"}, "a user"),
        ("* * * * *", {"payload": {1, object()}}, "JSON"),
        ("* * * * *", {"payload": later}, "plain def"),
        ("* * * * *", {"payload": one_by_one}, "plain def"),
    ],
)
def test_what_cannot_work(cron: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        schedule(cron, **options)


def test_an_action_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="clean: an action's name"):
        define("* * * * *", action="no such thing", name="clean")


def test_a_payload_that_is_given_twice() -> None:
    for payload in (1, lambda tick: tick.year):
        with pytest.raises(ValueError, match="given twice"):
            making(schedule(payload=payload), lambda tick: tick.year)
    with pytest.raises(TypeError, match="function"):
        making(schedule(), None)  # type: ignore[arg-type]  # a mistake
    with pytest.raises(ValueError, match="plain def"):
        making(schedule(), later)
