"""One action: its name, its handler, and the rules under which that is called."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, TypedDict, Unpack, get_args

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from streamer import handlers
from streamer.errors import InternalError, InvalidMessage, InvalidPayload, StreamerError
from streamer.handlers import Handler
from streamer.jobs import ids
from streamer.protocol.messages import Mode

Seconds = int | float | timedelta
Estimate = Seconds | Callable[[Any], Seconds]
"""How long the action takes: always, or a function of the validated request."""
Where = Literal["auto", "inline", "queued"]
Check = Callable[[Any], Any]
"""Looks at a validated request; raises ValueError or gives False where it refuses it."""

MAX_ERRORS: Final = 20
"""Faults of one payload that are told; a list of thousands of wrong numbers has as many."""


class Options(TypedDict, total=False):
    """What may be said about an action beside its name. Durations are seconds or a timedelta."""

    estimate: Estimate  # 0; how long it takes
    threshold: Seconds | None  # estimated to take longer: queued; None: STREAMER_ASYNC_THRESHOLD_S
    mode: Where  # "auto"; or always inline, or always queued
    inline_allowed: bool  # False; a client may ask for inline though it would be queued
    retries: int | None  # after the first attempt; None: STREAMER_MAX_RETRIES
    timeout: Seconds | None  # of one run; None: STREAMER_INLINE_TIMEOUT_S inline, no limit in a worker
    permission: str | None  # that the caller's token must grant; None: any valid token
    queue: str  # "default"; which workers take it
    concurrency: int | None  # of its jobs, how many run in one worker at a time; None: as many as it has slots
    promote: bool  # False; an inline run that takes longer than the threshold is stopped, and queued


@dataclass(frozen=True, kw_only=True)
class Action:
    """One name, and everything that is known about it at start. Made by `define`."""

    name: str
    handler: Handler
    estimate: float | Callable[[Any], Seconds]  # seconds
    threshold_s: float | None
    mode: Where
    inline_allowed: bool
    retries: int | None
    timeout_s: float | None
    permission: str | None
    queue: str
    concurrency: int | None
    promote: bool
    check: Check | None
    module: str  # where it was declared

    @property
    def is_async(self) -> bool:
        """Runs on the loop; False: in a thread."""
        return self.handler.is_async

    def validate(self, payload: Any) -> Any:
        """The handler's request. Raises InvalidPayload, with where and why in `details.errors`; InternalError where
        the user's own checks break."""
        try:
            request = _request(self.handler, payload)
            if self.check is not None:
                _checked(self.check, request)
        except StreamerError:
            raise
        except Exception as error:
            raise InternalError from error
        return request

    def is_queued(self, request: Any, mode: Mode, threshold_s: float) -> bool:
        """Whether this request is stored and run by a worker; `mode` is what the client asked for.

        Raises InvalidMessage where the client asked for inline and may not, InternalError where the action's
        estimate fails or is no number.
        """
        if mode is Mode.QUEUED:
            return True
        queued = self.mode == "queued" or (self.mode == "auto" and self._is_long(request, threshold_s))
        if mode is Mode.INLINE and queued and not self.inline_allowed:
            raise InvalidMessage(f"{self.name} cannot run inline.")
        return queued and mode is not Mode.INLINE

    def encode(self, result: Any) -> bytes:
        """A handler's result as JSON. Raises TypeError where it is none, or not what the handler promised."""
        if self.handler.result is not None:
            return self._promised(self.handler.result, result)
        try:
            return orjson.dumps(result, default=to_jsonable_python)
        except TypeError:
            return _encode_slowly(result, self.name)

    def to_json(self, result: Any) -> Any:
        """The same as JSON values; `encode` is cheaper where bytes will do. Raises TypeError."""
        return orjson.loads(self.encode(result))

    def _is_long(self, request: Any, threshold_s: float) -> bool:
        limit_s = threshold_s if self.threshold_s is None else self.threshold_s
        if not callable(self.estimate):
            return self.estimate > limit_s
        try:
            return seconds(self.estimate(request)) > limit_s
        except Exception as error:
            raise InternalError from error

    def _promised(self, promise: TypeAdapter[Any], result: Any) -> bytes:
        try:
            return promise.dump_json(promise.validate_python(result), warnings="error")
        except Exception as error:
            raise TypeError(f"the result of {self.name} is not what it is declared to return: {error}") from error


def define(
    name: str,
    function: Callable[..., Any],
    *,
    module: str = "",
    check: Check | None = None,
    **options: Unpack[Options],
) -> Action:
    """The action around `function`. Raises ValueError, in a sentence, for what cannot work."""
    _check_names(name, options)
    _check_numbers(name, options)
    handler = handlers.read(function)
    _check_promotion(name, handler, options)
    estimate = options.get("estimate", 0)
    return Action(
        name=name,
        handler=handler,
        estimate=estimate if callable(estimate) else seconds(estimate),
        threshold_s=_optional_s(options.get("threshold")),
        mode=options.get("mode", "auto"),
        inline_allowed=options.get("inline_allowed", False),
        retries=options.get("retries"),
        timeout_s=_optional_s(options.get("timeout")),
        permission=options.get("permission"),
        queue=options.get("queue", "default"),
        concurrency=options.get("concurrency"),
        promote=options.get("promote", False),
        check=check,
        module=module,
    )


def _check_names(name: str, options: Options) -> None:
    queue, mode, permission = options.get("queue", "default"), options.get("mode", "auto"), options.get("permission")
    _require(ids.ACTION.fullmatch(name), f"an action's name has 1 to 64 letters, digits or . _ -, unlike {name!r}")
    _require(ids.QUEUE.fullmatch(queue), f"{name}: a queue's name has 1 to 64 letters, digits or . _ -, not {queue!r}")
    _require(mode in get_args(Where), f"{name}: mode is one of {', '.join(get_args(Where))}, not {mode!r}")
    _require(permission is None or type(permission) is str, f"{name}: a permission is a string, not {permission!r}")


def _check_numbers(name: str, options: Options) -> None:
    retries = options.get("retries")
    whole = retries is None or (type(retries) is int and retries >= 0)
    _require(whole, f"{name}: retries is a number from 0, not {retries!r}")
    _require(_optional_s(options.get("timeout")) != 0, f"{name}: a timeout is more than 0 s")
    concurrency = options.get("concurrency")
    at_all = concurrency is None or (type(concurrency) is int and concurrency >= 1)
    _require(at_all, f"{name}: concurrency is a number from 1, not {concurrency!r}")


def _check_promotion(name: str, handler: Handler, options: Options) -> None:
    promote = options.get("promote", False)
    _require(type(promote) is bool, f"{name}: promote is True or False, not {promote!r}")
    if promote:
        _require(handler.is_async, f"{name}: promote needs an async def handler, which can be stopped and run again")
        _require(options.get("mode", "auto") == "auto", f"{name}: promote goes with mode 'auto' only")


def seconds(value: object) -> float:
    """A duration in seconds. Raises ValueError where it is neither a timedelta nor a number from 0."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if type(number) not in (int, float) or not 0 <= number < math.inf:  # type: ignore[operator]  # a number by now
        raise ValueError(f"a duration is a timedelta or seconds from 0, not {value!r}")
    return float(number)  # type: ignore[arg-type]  # as above


def _optional_s(value: Seconds | None) -> float | None:
    return None if value is None else seconds(value)


def _require(holds: object, sentence: str) -> None:
    if not holds:
        raise ValueError(sentence)


def _request(handler: Handler, payload: Any) -> Any:
    if handler.request is not None:
        return _parsed(handler.request, payload)
    if handler.wants_object and type(payload) is not dict:
        raise _invalid({"loc": [], "msg": "Input should be an object", "type": "dict_type"})
    return payload


def _parsed(model: TypeAdapter[Any], payload: Any) -> Any:
    try:
        return model.validate_python(payload)
    except ValidationError as error:
        return _parsed_as_json(model, payload, error)


def _parsed_as_json(model: TypeAdapter[Any], payload: Any, error: ValidationError) -> Any:
    """A strict model takes a date from a string only where it knows that it reads JSON, which has no other form."""
    try:
        return model.validate_json(orjson.dumps(payload))
    except ValidationError as strict:
        raise _invalid(*faults(strict)) from strict
    except orjson.JSONEncodeError:  # nested deeper than orjson writes, though it reads it
        raise _invalid(*faults(error)) from error


def _checked(check: Check, request: Any) -> None:
    try:
        if check(request) is False:
            raise _invalid({"loc": [], "msg": "The request was refused", "type": "value_error"})
    except ValidationError as error:
        raise _invalid(*faults(error)) from error
    except ValueError as error:
        raise _invalid({"loc": [], "msg": str(error), "type": "value_error"}) from error


def faults(error: ValidationError) -> list[dict[str, Any]]:
    """What a client is told: no input of its own back, no addresses of documentation."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ERRORS]
    return [{"loc": list(fault["loc"]), "msg": fault["msg"], "type": fault["type"]} for fault in faults]


def _invalid(*faults: dict[str, Any]) -> InvalidPayload:
    return InvalidPayload(details={"errors": list(faults)})


def _encode_slowly(result: Any, name: str) -> bytes:
    """For what orjson alone refuses, like a dict with numbers for keys."""
    try:
        return orjson.dumps(to_jsonable_python(result))
    except (TypeError, ValueError) as error:
        raise TypeError(f"the result of {name} is not JSON: {error}") from error
