"""What runs at certain times: cron text, a time zone, and the job that each tick becomes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from inspect import isgeneratorfunction
from itertools import takewhile
from typing import Any, Final, Literal, TypedDict, Unpack, get_args
from zoneinfo import ZoneInfo

import orjson
from cronsim import CronSim, CronSimError
from pydantic_core import to_jsonable_python

from streamer import handlers
from streamer.jobs import ids

FIELDS: Final = 5
MAX_NAME_BYTES: Final = 256
"""Of a tenant or a user; what a token may name."""

_NOTHING: Final = b"null"

Missed = Literal["last", "skip"]
Payload = Callable[[datetime], Any]
"""The payload of a tick, which is given in the time zone of its schedule."""


class Options(TypedDict, total=False):
    """What may be said about a schedule beside its cron text and its action."""

    payload: Any  # None; JSON values, models, or a function that makes it of the tick
    tenant: str  # "system"
    user: str  # "schedule"; whose job a tick becomes
    timezone: str  # "UTC"; by its IANA name
    missed: Missed  # "last"; or "skip": what is done about ticks that came while no worker was up
    name: str  # that of the action; unique


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One declaration. Made by `define`."""

    name: str
    cron: str
    zone: ZoneInfo
    action: str
    tenant: str
    user: str
    payload: bytes | Payload  # JSON, the same at each tick; or what makes it
    missed: Missed
    module: str  # where it was declared

    def ticks(self, after: datetime) -> Iterator[datetime]:
        """The ticks after a moment, in UTC, each later than the one before.

        The cron text is read as in Debian's cron when clocks change: what has a fixed hour runs once, where that hour
        is left out just after the gap; what runs every hour or more often follows real time.
        """
        for local in CronSim(self.cron, after.astimezone(self.zone)):
            tick = local.astimezone(UTC)
            if tick > after:  # clocks set back, or two local times that fell into one gap
                yield tick
                after = tick

    def following(self, moment: datetime) -> datetime:
        """The first tick after a moment."""
        return next(self.ticks(moment))

    def newest(self, after: datetime, until: datetime) -> datetime | None:
        """The last tick after one moment and not after another; None where there is none between."""
        newest = None
        for newest in takewhile(lambda tick: tick <= until, self.ticks(after)):  # noqa: B007  # its last value counts
            pass
        return newest

    def client_id(self, tick: datetime) -> str:
        """The id of a tick's job, the same in every process: at most 88 of the 128 characters that an id may have."""
        return f"schedule:{self.name}:{tick.astimezone(UTC):%Y%m%dT%H%MZ}"

    def payload_at(self, tick: datetime) -> Any:
        """Raises whatever the function raises that makes it."""
        return self.payload(tick.astimezone(self.zone)) if callable(self.payload) else orjson.loads(self.payload)


def define(
    cron: str,
    *,
    action: str,
    module: str = "",
    **options: Unpack[Options],
) -> Schedule:
    """The schedule that is declared so. Raises ValueError, in a sentence, for what cannot work."""
    own_name = options.get("name", action)
    schedule = Schedule(
        name=_matched(own_name, "a schedule's name"),
        cron=cron,
        zone=_zone(options.get("timezone", "UTC"), own_name),
        action=_matched(action, f"{own_name}: an action's name"),
        tenant=identity(options.get("tenant", "system"), f"{own_name}: a tenant"),
        user=identity(options.get("user", "schedule"), f"{own_name}: a user"),
        payload=_payload(options.get("payload"), own_name),
        missed=_missed(options.get("missed", "last"), own_name),
        module=module,
    )
    _require_ticks(schedule)
    return schedule


def making(schedule: Schedule, function: Payload) -> Schedule:
    """The same, with a function that makes the payload. Raises ValueError where it has a payload already, or the
    function cannot be called at once."""
    if schedule.payload != _NOTHING:
        raise ValueError(f"{schedule.name}: its payload is given twice")
    if not callable(function):
        raise TypeError(f"{schedule.name}: a payload is made by a function, unlike {function!r}")
    return replace(schedule, payload=_payload(function, schedule.name))


def _matched(name: str, what: str) -> str:
    if not ids.ACTION.fullmatch(name):
        raise ValueError(f"{what} has 1 to 64 letters, digits or . _ -, unlike {name!r}")
    return name


def identity(name: str, what: str) -> str:
    """The name of a user or a tenant, by the rules for those in tokens. Raises ValueError."""
    if not 0 < len(name.encode()) <= MAX_NAME_BYTES or "\0" in name:
        raise ValueError(f"{what} has 1 to {MAX_NAME_BYTES} bytes and no NUL, unlike {name!r}")
    return name


def _zone(key: str, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(key)
    except (KeyError, OSError, ValueError) as error:  # unknown; the name of a folder; no name
        raise ValueError(f"{name}: there is no time zone {key!r}") from error


def _missed(missed: Missed, name: str) -> Missed:
    if missed not in get_args(Missed):
        raise ValueError(f"{name}: missed is one of {', '.join(get_args(Missed))}, not {missed!r}")
    return missed


def _payload(payload: Any, name: str) -> bytes | Payload:
    if callable(payload):
        if handlers.is_async(payload) or isgeneratorfunction(payload):
            raise ValueError(f"{name}: the function that makes a payload is a plain def, unlike {payload!r}")
        made: Payload = payload
        return made
    try:
        return orjson.dumps(payload, default=to_jsonable_python)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"{name}: a payload must be JSON: {error}") from error


def _require_ticks(schedule: Schedule) -> None:
    cron = schedule.cron
    if len(cron.split()) != FIELDS:
        raise ValueError(f"{schedule.name}: cron text has {FIELDS} fields, unlike {cron!r}")
    try:
        schedule.following(datetime.now(UTC))
    except CronSimError as error:
        raise ValueError(f"{schedule.name}: {cron!r} is no cron text: {error}") from error
    except StopIteration as error:
        raise ValueError(f"{schedule.name}: {cron!r} never comes") from error
