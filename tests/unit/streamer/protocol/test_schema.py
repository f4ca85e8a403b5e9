"""The models say what the codec reads and what the builders of frames write, no more and no less."""

import inspect
from collections.abc import Iterator
from typing import Any, Final, get_args

import orjson
import pytest
from hypothesis import example, given, settings, strategies
from pydantic import BaseModel, TypeAdapter, ValidationError

from streamer.errors import InvalidMessage, RateLimited, StreamerError
from streamer.jobs.model import Failure, Job, Progress, Status
from streamer.protocol import codec, frames, schema
from streamer.protocol.frames import Place
from streamer.protocol.schema.fields import CODES
from tests.support.jobs import row_in

CLIENT: Final[TypeAdapter[Any]] = TypeAdapter(schema.ClientFrame)
SERVER: Final[TypeAdapter[Any]] = TypeAdapter(schema.ServerFrame)
READ: Final = [kind for kind in schema.CLIENT_TYPES if kind in codec._READERS]

BORN = "0123456789ab.ABCDEFGHIJKLMNOPQRSTUV"
NOW = 1_800_000_000.25
PLACE = Place("r1", "j1", 2, 9)
PROGRESS = Progress(12.5, "Reading", {"rows": 3})
FAILURE = Failure("PROCESSING_FAILED", "No.", {"error_id": "e"}, retryable=True)


# --- what clients say ---------------------------------------------------------------------------------------

Any_ = strategies.SearchStrategy[Any]
NUMBERS: Final = strategies.sampled_from([0, 1, 7, -1, 86_400, 86_401, 2**53, 2**53 + 1, 0.0, 0.5, 1.5, -0.5, 1e300])
ODD: Final = strategies.one_of(
    strategies.none(),
    strategies.booleans(),
    NUMBERS,
    strategies.sampled_from(["", "a", "a b", "é", "a\n", "x" * 64, "x" * 65, "x" * 129, "high", "queued", BORN]),
    strategies.sampled_from([[], {}, [1], [{}], {"a": None}]),
)


def mostly(*good: Any) -> Any_:
    """One of these, and now and then anything."""
    return strategies.integers(0, 19).flatmap(lambda dice: strategies.sampled_from(good) if dice else ODD)


def mostly_of(good: Any_) -> Any_:
    return strategies.integers(0, 19).flatmap(lambda dice: good if dice else ODD)


def fields(**each: Any_) -> Any_:
    return strategies.fixed_dictionaries({}, optional=each)


IDS: Final = mostly("r1", "A.b_c:d~e-f", "x" * 128)
COUNTS: Final = mostly(0, 1, 2**53)
PLACES: Final = {"attempt": COUNTS, "seq": COUNTS, "chunks": COUNTS}
OPTIONS: Final = fields(
    priority=mostly("high", "normal", "low"),
    delay_seconds=mostly(0, 0.5, 60),
    mode=mostly("auto", "inline", "queued"),
    expires_in=mostly(1, 60, 2_592_000, 2_592_001),
    durable=mostly(True, False),
    colour=mostly(None),
)
OWN: Final[dict[str, dict[str, Any_]]] = {
    "request": {
        "id": IDS,
        "request_id": IDS,
        "action": mostly("echo", "a.b_c-d"),
        "payload": ODD,
        "metadata": mostly({"a": 1}, {"a": "x" * 4_088}, {"a": "x" * 4_089}),
        "options": mostly_of(OPTIONS),
    },
    "cancel": {"request_id": IDS, "id": IDS},
    "ack": {"request_id": IDS, "id": IDS},
    "resume": {
        "connection_id": mostly(BORN),
        "n": COUNTS,
        "requests": mostly_of(strategies.lists(mostly_of(fields(request_id=IDS, id=IDS, **PLACES)), max_size=3)),
    },
    "subscribe": {
        "job_id": IDS,
        **PLACES,
        "events": mostly_of(strategies.lists(mostly(*codec.EVENTS), max_size=3)),
    },
    "unsubscribe": {"job_id": IDS},
    "auth": {"token": mostly("a.b.c")},
    "ping": {"id": mostly("p", 7)},
}
"""Type -> the fields that it has; any of them may be absent."""


def frames_of(kind: Any) -> Any_:
    is_named = strategies.fixed_dictionaries({"type": strategies.just(kind)})
    own = fields(**OWN.get(kind, OWN["request"]), unknown=ODD)
    return strategies.builds(lambda named, said: {**named, **said}, is_named, own)


FRAMES: Final = strategies.sampled_from([*READ, *READ, None, "Request", "welcome", 1]).flatmap(frames_of)


@settings(max_examples=1_500, deadline=None)
@given(FRAMES)
@example({"action": "echo", "id": "r1", "request_id": "no id"})
@example({"type": "resume", "requests": [], "connection_id": "nobody's", "n": "no number"})
@example({"type": "resume", "requests": [], "connection_id": BORN})
@example({"type": "resume", "requests": [{"request_id": "r1"}, {"id": "r1"}]})
@example({"action": "echo", "options": {"delay_seconds": 2, "expires_in": 2}})
@example({"action": "echo", "options": {"colour": None}})
@example({"action": "echo", "options": {"priority": "high", "durable": True, "expires_in": 1.5}})
@example({"type": "resume", "requests": [{"request_id": f"r{number}"} for number in range(1_001)]})
@example({"type": "ping", "id": True})
def test_the_models_take_what_the_codec_takes(frame: dict[str, Any]) -> None:
    text = orjson.dumps(frame)
    assert is_taken_by_models(orjson.loads(text)) == is_taken_by_codec(text), frame


@pytest.mark.parametrize("said", [None, 1, "echo", [], True])
def test_a_frame_is_an_object(said: Any) -> None:
    assert not is_taken_by_models(said)


def test_every_type_that_the_codec_reads_has_a_model() -> None:
    assert codec._READERS.keys() == schema.CLIENT_TYPES.keys()


def is_taken_by_codec(text: bytes) -> bool:
    try:
        codec.parse(text)
    except InvalidMessage:
        return False
    return True


def is_taken_by_models(said: Any) -> bool:
    try:
        CLIENT.validate_python(said)
    except ValidationError:
        return False
    return True


# --- what the server says -----------------------------------------------------------------------------------


def job(status: Status) -> Job:
    return row_in(status)


WELCOME: Final[dict[str, Any]] = {
    "heartbeat_ms": 25_000,
    "token_expires_at": NOW,
    "limits": {"message_bytes": 131_072, "in_flight": 64, "rate": 100, "user_rate": 250},
    "reconnect_ms": (100, 1_000),
}
SAID: Final[dict[str, list[bytes]]] = {
    "response": [frames.response("r1", {"a": 1}, NOW)],
    "inline_progress": [frames.inline_progress("r1", PROGRESS, NOW)],
    "inline_chunk": [frames.inline_chunk("r1", 0, b"[1]", NOW)],
    "refusal": [
        frames.refusal(RateLimited(after_ms=5), "r1", NOW),
        frames.refusal(StreamerError(details={"error_id": "e"}), None, NOW, final=True),
    ],
    "pong": [frames.pong("p", NOW), frames.pong(7, NOW), frames.pong(None, NOW)],
    "acknowledgment": [frames.acknowledgment(job(status), NOW) for status in Status],
    "progress": [frames.progress(PLACE, PROGRESS, NOW), frames.progress(PLACE, Progress(100), NOW)],
    "chunk": [frames.chunk(PLACE, 3, b'{"a":1}', NOW)],
    "as_known_by": [frames.as_known_by(frames.chunk(PLACE, 3, b"1", NOW), "other")],
    "complete": [frames.complete(PLACE, b"null", 4, NOW)],
    "failed": [frames.failed(PLACE, FAILURE, NOW)],
    "outcome": [frames.outcome(job(status), None, NOW) for status in (Status.COMPLETED, Status.FAILED)],
    "welcome": [
        frames.welcome(BORN, "n1", NOW, **WELCOME, inbox=[frames.inbox_entry(job(Status.FAILED))]),
        frames.welcome(BORN, "n1", NOW, **{**WELCOME, "token_expires_at": None}, inbox=None),
    ],
    "stopping": [frames.stopping("r2", NOW)],
    "authenticated": [frames.authenticated(NOW, NOW), frames.authenticated(None, NOW)],
    "token_expiring": [frames.token_expiring(NOW, NOW)],
    "cancelling": [frames.cancelling(job(Status.PROCESSING), NOW)],
    "resumed": [frames.resumed(BORN, [("r1", job(Status.RETRYING), False)], NOW)],
    "subscribed": [frames.subscribed(job(Status.PENDING), NOW)],
    "unsubscribed": [frames.unsubscribed("j1", job(Status.PENDING), NOW), frames.unsubscribed("j1", None, NOW)],
    "drain": [frames.drain("deploy", (0, 5_000), 20_000, NOW)],
    "retrying": [frames.retrying(PLACE, FAILURE, NOW, NOW, continues_from=3)],
}
"""Name of a builder -> frames of it, with and without what may be absent."""
ALL: Final = [frame for each in SAID.values() for frame in each]


def test_every_builder_has_its_frames_here() -> None:
    built = inspect.getmembers(frames, inspect.isfunction)
    public = {
        name for name, each in built if not name.startswith("_") and inspect.signature(each).return_annotation is bytes
    }
    assert SAID.keys() == public


@pytest.mark.parametrize("frame", ALL)
def test_a_model_knows_every_field_that_is_written(frame: bytes) -> None:
    assert not list(unknown(SERVER.validate_python(orjson.loads(frame))))


@pytest.mark.parametrize("frame", ALL)
def test_what_a_model_requires_is_always_there(frame: bytes) -> None:
    said = orjson.loads(frame)
    for name, field in schema.SERVER_TYPES[said["type"]].model_fields.items():
        if field.is_required():
            with pytest.raises(ValidationError):
                SERVER.validate_python({key: value for key, value in said.items() if key != name})


def test_a_field_of_a_later_version_is_let_pass_but_noticed() -> None:
    found = SERVER.validate_python({"type": "pong", "timestamp": NOW, "mood": "fine"})
    assert list(unknown(found)) == ["mood"]


def test_plain_clients_are_told_by_the_types_that_the_protocol_lists() -> None:
    plain = {"response", "acknowledgment", "progress", "complete", "error", "pong"}
    assert {kind for kind, model in schema.SERVER_TYPES.items() if model in schema.PLAIN} == plain


def test_every_code_of_our_errors_is_listed() -> None:
    assert {each.code for each in tree(StreamerError) if each.__name__ != "ActionError"} <= set(CODES)


def test_the_unions_have_every_model() -> None:
    assert {each.__args__[0] if get_args(each) else each for each in get_args(get_args(schema.ServerFrame)[0])} == set(
        schema.SERVER_FRAMES
    )
    assert {get_args(each)[0] for each in get_args(get_args(schema.ClientFrame)[0])} == set(schema.CLIENT_FRAMES)


def unknown(found: Any) -> Iterator[str]:
    """Names of fields that no model knows, at any depth."""
    if isinstance(found, BaseModel):
        yield from found.model_extra or ()
        for name in type(found).model_fields:
            yield from unknown(getattr(found, name))
    elif isinstance(found, list):
        for each in found:
            yield from unknown(each)


def tree(kind: type[StreamerError]) -> Iterator[type[StreamerError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from tree(each)
