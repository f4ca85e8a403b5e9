"""Action: payloads checked, modes decided, results encoded."""

import dataclasses
from collections.abc import Callable
from datetime import date, timedelta
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, field_serializer, field_validator
from typing_extensions import TypedDict  # pydantic refuses the one of typing before Python 3.12

from streamer.context import Context
from streamer.definitions import MAX_ERRORS, Action, Where, define, seconds
from streamer.errors import ActionError, InternalError, InvalidMessage, InvalidPayload
from streamer.protocol.messages import Mode


class Span(BaseModel):
    start: date
    days: int = 1


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    start: date
    days: int = 1


@dataclasses.dataclass
class Point:
    x: int


class Named(TypedDict):
    name: str


def taking(annotation: Any, **options: Any) -> Action:
    def function(ctx: Context, request: annotation) -> None: ...

    return define("act", function, **options)


def giving(annotation: Any) -> Action:
    def function() -> annotation: ...

    return define("act", function)


def faults(refused: pytest.ExceptionInfo[InvalidPayload]) -> Any:
    assert refused.value.details is not None
    return refused.value.details["errors"]


# --- payloads


@pytest.mark.parametrize(
    ("annotation", "payload", "request_"),
    [
        (Span, {"start": "2024-01-31", "more": 1}, Span(start=date(2024, 1, 31))),
        (Strict, {"start": "2024-01-31"}, Strict(start=date(2024, 1, 31))),
        (Point, {"x": 1}, Point(1)),
        (Named, {"name": "n"}, {"name": "n"}),
        (list[int], [1, 2], [1, 2]),
        (Any, "anything", "anything"),
        (dict, {"a": 1}, {"a": 1}),
    ],
)
def test_a_payload_becomes_the_request(annotation: Any, payload: Any, request_: Any) -> None:
    assert taking(annotation).validate(payload) == request_


def test_what_passes_as_it_is_is_the_same_object() -> None:
    payload = {"a": [1]}
    assert taking(dict[str, Any]).validate(payload) is payload


def test_a_refusal_says_where_and_why_and_repeats_nothing() -> None:
    with pytest.raises(InvalidPayload) as refused:
        taking(Span).validate({"start": "yesterday!", "days": "many!"})
    assert [(fault["loc"], fault["type"]) for fault in faults(refused)] == [
        (["start"], "date_from_datetime_parsing"),
        (["days"], "int_parsing"),
    ]
    assert "many!" not in str(refused.value.details)


def test_a_strict_model_is_told_about_json_faults_only() -> None:
    with pytest.raises(InvalidPayload) as refused:
        taking(Strict).validate({"start": "2024-01-31", "days": "1"})
    assert [fault["loc"] for fault in faults(refused)] == [["days"]]


def test_a_payload_too_deep_to_be_written_again_is_refused() -> None:
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    with pytest.raises(InvalidPayload):
        taking(Span).validate(deep)


def test_the_number_of_faults_told_is_bounded() -> None:
    with pytest.raises(InvalidPayload) as refused:
        taking(list[int]).validate(["x"] * 1_000)
    assert len(faults(refused)) == MAX_ERRORS


@pytest.mark.parametrize("payload", [None, 1, "x", [], True])
def test_an_object_is_wanted(payload: Any) -> None:
    with pytest.raises(InvalidPayload) as refused:
        taking(dict).validate(payload)
    assert faults(refused) == [{"loc": [], "msg": "Input should be an object", "type": "dict_type"}]


def check_fails(_: Any) -> None:
    raise ValueError("no weekends")


def check_fails_by_model(_: Any) -> None:
    Span.model_validate({})


@pytest.mark.parametrize(
    ("check", "told"),
    [
        (lambda _: False, {"loc": [], "msg": "The request was refused", "type": "value_error"}),
        (check_fails, {"loc": [], "msg": "no weekends", "type": "value_error"}),
        (check_fails_by_model, {"loc": ["start"], "msg": "Field required", "type": "missing"}),
    ],
)
def test_a_check_refuses(check: Callable[[Any], Any], told: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayload) as refused:
        taking(Any, check=check).validate(1)
    assert faults(refused) == [told]


@pytest.mark.parametrize("answer", [None, True, "anything"])
def test_a_check_agrees(answer: Any) -> None:
    assert taking(Any, check=lambda _: answer).validate(1) == 1


def test_a_check_that_breaks_is_our_fault_and_its_own_error_is_its_own() -> None:
    def breaks(_: Any) -> None:
        raise KeyError("secret")

    def speaks(_: Any) -> None:
        raise ActionError("NO_CREDIT", "No credit.")

    with pytest.raises(InternalError) as broken:
        taking(Any, check=breaks).validate(1)
    assert isinstance(broken.value.__cause__, KeyError)
    with pytest.raises(ActionError):
        taking(Any, check=speaks).validate(1)


def test_a_model_whose_validator_breaks_is_our_fault() -> None:
    class Broken(BaseModel):
        n: int

        @field_validator("n")
        @classmethod
        def _breaks(cls, value: int) -> int:
            raise KeyError(value)

    with pytest.raises(InternalError):
        taking(Broken).validate({"n": 1})


# --- inline or queued


@pytest.mark.parametrize(
    ("options", "asked", "queued"),
    [
        ({}, Mode.AUTO, False),
        ({"estimate": 5}, Mode.AUTO, False),
        ({"estimate": 5.1}, Mode.AUTO, True),
        ({"estimate": timedelta(seconds=30)}, Mode.AUTO, True),
        ({"estimate": 30, "threshold": 60}, Mode.AUTO, False),
        ({"estimate": 3, "threshold": timedelta(seconds=2)}, Mode.AUTO, True),
        ({"estimate": lambda request: request["rows"] / 10}, Mode.AUTO, True),
        ({"estimate": lambda _: timedelta(seconds=1)}, Mode.AUTO, False),
        ({"mode": "queued"}, Mode.AUTO, True),
        ({"mode": "inline", "estimate": 30}, Mode.AUTO, False),
        ({}, Mode.QUEUED, True),
        ({}, Mode.INLINE, False),
        ({"mode": "inline", "estimate": 30}, Mode.INLINE, False),
        ({"mode": "queued", "inline_allowed": True}, Mode.INLINE, False),
        ({"estimate": 30, "inline_allowed": True}, Mode.INLINE, False),
    ],
)
def test_who_is_queued(options: dict[str, Any], asked: Mode, queued: bool) -> None:
    assert taking(Any, **options).is_queued({"rows": 100}, asked, 5.0) is queued


@pytest.mark.parametrize("options", [{"mode": "queued"}, {"estimate": 30}])
def test_inline_is_refused_where_the_action_does_not_allow_it(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessage, match="act cannot run inline"):
        taking(Any, **options).is_queued({}, Mode.INLINE, 5.0)


@pytest.mark.parametrize("answer", ["soon", None, True, -1, float("nan"), float("inf"), timedelta(seconds=-1)])
def test_an_estimate_that_is_no_duration_is_our_fault(answer: Any) -> None:
    with pytest.raises(InternalError):
        taking(Any, estimate=lambda _: answer).is_queued({}, Mode.AUTO, 5.0)


def test_an_estimate_that_breaks_is_our_fault() -> None:
    with pytest.raises(InternalError) as broken:
        taking(Any, estimate=lambda request: request["rows"]).is_queued({}, Mode.AUTO, 5.0)
    assert isinstance(broken.value.__cause__, KeyError)


# --- results


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("result", "json"),
    [
        (None, None),
        ({"a": [1, 2.5, "x", True]}, {"a": [1, 2.5, "x", True]}),
        ({"when": date(2024, 1, 31)}, {"when": "2024-01-31"}),
        ({"span": Span(start=date(2024, 1, 31))}, {"span": {"start": "2024-01-31", "days": 1}}),
        ([Point(1), Colour.RED], [{"x": 1}, "red"]),
        ({"ids": {UUID(int=0)}}, {"ids": ["00000000-0000-0000-0000-000000000000"]}),
        ({1: "one"}, {"1": "one"}),
        ({1: Span(start=date(2024, 1, 31))}, {"1": {"start": "2024-01-31", "days": 1}}),
    ],
)
def test_results_without_a_promise(result: Any, json: Any) -> None:
    assert giving(Any).to_json(result) == json


@pytest.mark.parametrize("result", [object(), {"a": object()}, 1 << 80, {"a": "\ud800"}, {1: object()}])
def test_results_that_are_no_json(result: Any) -> None:
    with pytest.raises(TypeError, match="the result of act is not JSON"):
        giving(Any).encode(result)


@pytest.mark.parametrize(
    ("annotation", "result", "json"),
    [
        (Span, Span(start=date(2024, 1, 31)), b'{"start":"2024-01-31","days":1}'),
        (Span, {"start": "2024-01-31"}, b'{"start":"2024-01-31","days":1}'),
        (list[Point], [Point(1)], b'[{"x":1}]'),
        (Named, {"name": "n"}, b'{"name":"n"}'),
        (Span | None, None, b"null"),
        (date, date(2024, 1, 31), b'"2024-01-31"'),
    ],
)
def test_results_as_promised(annotation: Any, result: Any, json: bytes) -> None:
    assert giving(annotation).encode(result) == json


class Leaky(BaseModel):
    n: int

    @field_serializer("n")
    def _breaks(self, value: int) -> int:
        raise KeyError(value)


@pytest.mark.parametrize(("annotation", "result"), [(Span, {}), (Span, None), (Leaky, Leaky(n=1))])
def test_results_other_than_promised(annotation: Any, result: Any) -> None:
    with pytest.raises(TypeError, match="the result of act is not what it is declared to return"):
        giving(annotation).encode(result)


def test_a_promised_model_that_was_changed_to_something_else() -> None:
    span = Span(start=date(2024, 1, 31))
    span.days = "many"  # type: ignore[assignment]  # what models do not check by default
    with pytest.raises(TypeError, match="declared to return"):
        giving(Span).encode(span)


# --- declaring


async def handler(ctx: Context, request: Any) -> None: ...


def test_the_defaults() -> None:
    action = define("act", handler)
    assert action.is_async
    assert (action.mode, action.queue, action.permission, action.retries, action.timeout_s) == (
        "auto",
        "default",
        None,
        None,
        None,
    )


def test_durations_are_kept_in_seconds() -> None:
    action = define("act", handler, timeout=timedelta(minutes=10), threshold=2, estimate=timedelta(seconds=30))
    assert (action.timeout_s, action.threshold_s, action.estimate) == (600.0, 2.0, 30.0)
    assert seconds(0) == 0.0


Mistake = Literal[
    "queue", "mode", "retries", "timeout", "threshold", "estimate", "permission", "concurrency", "promote"
]


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("queue", "a b", "a queue's name"),
        ("mode", "later", "mode is one of auto, inline, queued"),
        ("retries", -1, "retries is a number from 0"),
        ("retries", True, "retries is a number from 0"),
        ("timeout", 0, "a timeout is more than 0 s"),
        ("timeout", "10", "a duration is a timedelta or seconds from 0"),
        ("threshold", -1, "a duration is"),
        ("estimate", float("nan"), "a duration is"),
        ("permission", ["a"], "a permission is a string"),
        ("concurrency", 0, "concurrency is a number from 1"),
        ("concurrency", True, "concurrency is a number from 1"),
        ("promote", 1, "promote is True or False"),
    ],
)
def test_options_that_cannot_work(option: Mistake, value: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        define("act", handler, **{option: value})


def test_what_runs_in_a_thread_cannot_be_stopped_and_queued() -> None:
    def in_thread() -> None: ...

    with pytest.raises(ValueError, match="promote needs an async def handler"):
        define("act", in_thread, promote=True)


@pytest.mark.parametrize("mode", ["inline", "queued"])
def test_only_what_may_be_either_is_promoted(mode: Where) -> None:
    with pytest.raises(ValueError, match="promote goes with mode 'auto' only"):
        define("act", handler, promote=True, mode=mode)
    assert define("act", handler, promote=True, concurrency=2).concurrency == 2


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "a" * 65])
def test_names_that_cannot_be_called(name: str) -> None:
    with pytest.raises(ValueError, match="an action's name"):
        define(name, handler)
