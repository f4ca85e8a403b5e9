"""What the signature of a handler says: what it wants, what it gives, and whether it is a coroutine function."""

import functools
import inspect
import types
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter

from streamer.context import Context

Run = Callable[[Context, Any], Any]
"""One run of a handler; gives a coroutine where the handler is `async def`."""
AsyncRun = Callable[[Context, Any], Coroutine[Any, Any, Any]]

_ANYTHING: Final = (Any, object)
_OBJECT: Final = (dict, Mapping)
_PLAIN: Final = (*_ANYTHING, *_OBJECT, list, str, int, float, bool, types.NoneType, Union, types.UnionType)
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Handler:
    """A callable, read once. `request` and `result` are None where values pass as they are."""

    run: Run
    is_async: bool
    request: TypeAdapter[Any] | None
    wants_object: bool  # the payload must be a JSON object, and passes as it is
    result: TypeAdapter[Any] | None
    about: str = ""  # what its author says of it: the first paragraph of its docstring
    function: Callable[..., Any] | None = None  # what was read, before it was adapted


def read(function: Callable[..., Any]) -> Handler:
    """A handler takes (ctx, request), (ctx) or nothing, and is `def` or `async def`.

    Raises ValueError, in a sentence, for another signature, for generators, and for annotations without a meaning.
    """
    name = _name(function)
    if _is(function, inspect.isgeneratorfunction) or _is(function, inspect.isasyncgenfunction):
        raise ValueError(f"{name} is a generator; a handler returns its result")
    taken = _taken(function, name)
    wanted = _annotation(function, name, taken[1]) if len(taken) > 1 else Any
    given = _annotation(function, name, "return")
    wants_object = _is_object(wanted)
    return Handler(
        run=_adapted(function, len(taken)),
        is_async=is_async(function),
        request=None if wants_object or wanted in _ANYTHING else _adapter(wanted, name),
        wants_object=wants_object,
        result=None if _is_plain(given) else _adapter(given, name),
        about=_about(function),
        function=function,
    )


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine: `async def`, a partial of one, or an object with such a `__call__`."""
    return _is(function, inspect.iscoroutinefunction)


def _is(function: Callable[..., Any], kind: Callable[[object], bool]) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004 - its kind is asked, not whether it is callable


def _taken(function: Callable[..., Any], name: str) -> list[str]:
    """Names of the parameters that the handler is given: at most two."""
    parameters = list(inspect.signature(function).parameters.values())
    positional = [parameter.name for parameter in parameters if parameter.kind in _POSITIONAL]
    if any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters):
        positional = [*positional, "*", "*"]
    surplus = [parameter for parameter in parameters if parameter.name not in positional[:2]]
    if any(parameter.default is parameter.empty and parameter.kind not in _VARIADIC for parameter in surplus):
        raise ValueError(f"{name} must take (ctx, request), (ctx) or nothing, not {inspect.signature(function)}")
    return positional[:2]


_VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _adapted(function: Callable[..., Any], count: int) -> Run:
    if count == 2:  # noqa: PLR2004 - (ctx, request): the handler itself, at no cost
        return function
    if count == 1:
        return lambda ctx, _: function(ctx)
    return lambda _, __: function()


def _annotation(function: Callable[..., Any], name: str, parameter: str) -> Any:
    """One annotation, as a type: only this one is resolved, so `ctx` may be imported for type checkers only."""
    source = _source(function)
    annotation = getattr(source, "__annotations__", {}).get(parameter, Any)
    holder = types.SimpleNamespace(__annotations__={parameter: annotation})
    try:
        return get_type_hints(holder, globalns=getattr(source, "__globals__", {}), include_extras=True)[parameter]
    except (NameError, TypeError, SyntaxError) as error:
        raise ValueError(
            f"the annotation {annotation!r} of {name} has no meaning where {name} is defined ({error}): "
            "define the type at module level"
        ) from error


def _source(function: Callable[..., Any]) -> Any:
    """The plain function whose annotations count."""
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function):
        function = type(function).__call__
    return inspect.unwrap(getattr(function, "__func__", function))


def _about(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(_source(function)) or "").partition("\n\n")[0]


def _is_object(annotation: Any) -> bool:
    """`dict`, `Mapping`, or one of them from strings to anything."""
    kind = get_origin(annotation) or annotation
    return kind in _OBJECT and get_args(annotation) in ((), (str, Any), (str, object))


def _is_plain(annotation: Any) -> bool:
    """Whether it promises no more than JSON values, in all its parts."""
    kind = get_origin(annotation) or annotation
    return kind in _PLAIN and all(_is_plain(part) for part in get_args(annotation))


def _adapter(annotation: Any, name: str) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(annotation)
    except Exception as error:  # pydantic raises several kinds for it
        raise ValueError(f"{name}: {annotation!r} is no type that JSON can be checked against ({error})") from error


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
