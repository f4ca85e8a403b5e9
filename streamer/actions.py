"""What user modules declare, and the registry that a process makes of it.

`action`, `register`, `every`, `middleware` and `lifespan` note down what a module declares while it is imported;
`load_registry` imports the modules that a process is told to, and gathers what they declared.
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, Unpack

from streamer import handlers, schedules
from streamer.definitions import Action, Options, define
from streamer.errors import ConfigurationError, InvalidAction
from streamer.registry import Lifespan, Middleware, Registry
from streamer.schedules import Schedule

__all__ = [
    "Action",
    "Registry",
    "action",
    "declared",
    "define",
    "every",
    "lifespan",
    "load_registry",
    "middleware",
    "register",
]

F = TypeVar("F", bound=Callable[..., Any])
P = TypeVar("P", bound=Callable[[datetime], Any])

DEMO: Final = "streamer.demo"


@dataclass(slots=True)
class _Declared:
    """What one module declares."""

    actions: list[Action] = field(default_factory=list)
    middleware: list[Middleware] = field(default_factory=list)
    lifespans: list[Lifespan] = field(default_factory=list)
    schedules: list[Schedule] = field(default_factory=list)


_declared: Final[dict[str, _Declared]] = {}
"""By module. Never emptied: a module is imported once in a process, registries may be made of it many times."""
_brought: Final[dict[str, set[str]]] = {}
"""Module that was named to `load_registry` -> the modules that declared something while it was imported."""


def action(name: str, **options: Unpack[Options]) -> Callable[[F], F]:
    """Declares the function under it as the handler of `name`; the function stays what it is.

    It takes (ctx, request), (ctx) or nothing. The annotation of `request` is what a payload is checked against;
    the annotation of the result is what it promises. `async def` runs on the loop, `def` in a thread.
    `options`: see `streamer.definitions.Options`. Raises ValueError for what cannot work.
    """

    def declare(function: F) -> F:
        module = _caller()
        _declarations(module).actions.append(define(name, function, module=module, **options))
        return function

    return declare


def register(name: str, handler: Any, **options: Unpack[Options]) -> None:
    """Declares an object with `process(ctx, request)` as the handler of `name`.

    It may have `validate(request)`, which raises ValueError or gives False to refuse a request (the annotated model
    was checked before), and `estimated_duration()`, used unless `options` has an estimate. All three may be `async
    def`; these two are asked before anything is stored or run, so they must answer without waiting for anything.
    Raises ValueError for what cannot work.
    """
    module = _caller()
    process = getattr(handler, "process", None)
    if process is None:
        raise ValueError(f"the handler of {name} has no method process(ctx, request)")
    duration = getattr(handler, "estimated_duration", None)
    if duration is not None:
        options.setdefault("estimate", lambda _: _at_once(duration))
    validate = getattr(handler, "validate", None)
    check = None if validate is None else partial(_at_once, validate)
    _declarations(module).actions.append(define(name, process, module=module, check=check, **options))


def every(cron: str, *, action: str, **options: Unpack[schedules.Options]) -> Callable[[P], P]:
    """Declares that `action` is started at each tick of `cron` (five fields), once, however many workers there are.

    As a statement, its payload is that of `options`. As a decorator of `def payload(tick: datetime)`, it is what that
    function gives; any worker may call it, so the same tick must give the same. `options`: see
    `streamer.schedules.Options`, and docs/schedules.md. Raises ValueError for what cannot work.
    """
    module = _caller()
    declared = _declarations(module).schedules
    schedule = schedules.define(cron, action=action, module=module, **options)
    declared.append(schedule)

    def declare(function: P) -> P:
        place = next(place for place, each in enumerate(declared) if each is schedule)
        declared[place] = schedules.making(schedule, function)
        return function

    return declare


def middleware(function: F) -> F:
    """Declares `async def mw(ctx, request, call_next)` around every run of every action, inline and queued.

    What was declared first is the outermost. Raises ValueError where it is not `async def`.
    """
    if not handlers.is_async(function):
        raise ValueError(f"a middleware must be async def, unlike {function!r}")
    _declarations(_caller()).middleware.append(function)
    return function


def lifespan(function: F) -> F:
    """Declares the resources of a process: an async generator function that yields once.

    What it yields is `ctx.state`; what follows the yield runs when the process stops. One per process.
    Raises ValueError where it is no such function.
    """
    if not inspect.isasyncgenfunction(function):
        raise ValueError(f"a lifespan must be async def and yield once, unlike {function!r}")
    _declarations(_caller()).lifespans.append(asynccontextmanager(function))
    return function


def load_registry(modules: Sequence[str], *, threads: int) -> Registry:
    """The actions of `streamer.demo`, of these modules, of modules inside them, and of those that they import first.

    A module that is not found is looked for in the working directory too. Raises ConfigurationError, in a sentence,
    for a module that cannot be imported, a name that is declared twice, a second lifespan, or a schedule whose
    action is unknown or refuses its payload.
    """
    names = dict.fromkeys(name for module in (DEMO, *modules) for name in _declaring(module))
    found = [_declared[name] for name in names]
    lifespans = [each for declared in found for each in declared.lifespans]
    if len(lifespans) > 1:
        raise ConfigurationError(f"One lifespan is possible, and {len(lifespans)} are declared in {', '.join(names)}.")
    return Registry(
        (each for declared in found for each in declared.actions),
        threads=threads,
        middleware=[each for declared in found for each in declared.middleware],
        lifespan=lifespans[0] if lifespans else nullcontext,
        schedules=[each for declared in found for each in declared.schedules],
    )


def declared(action: str | Callable[..., Any]) -> Action:
    """The action of this name, or with this handler, in any module that was imported so far.

    Raises InvalidAction where there is none, ConfigurationError where several modules declare the name.
    """
    every_one = [each for declarations in _declared.values() for each in declarations.actions]
    found = [each for each in every_one if action in (each.name, each.handler.function)]
    if not found:
        raise InvalidAction(f"No module that was imported declares {action!r} as an action.")
    modules = {each.module for each in found}
    if len(modules) > 1:
        raise ConfigurationError(f"The action {action} is declared in {' and in '.join(sorted(modules))}.")
    return found[0]


def _declarations(module: str) -> _Declared:
    return _declared.setdefault(module, _Declared())


def _caller() -> str:
    """The module that called the function that asks."""
    return str(sys._getframe(2).f_globals["__name__"])


def _declaring(module: str) -> Iterator[str]:
    """Imports the module and gives those whose declarations belong to it, in the order of their first one."""
    if module not in sys.modules:
        _declared.pop(module, None)  # a failed import, or a test that imports it anew, declares everything again
    known = set(_declared)
    _import(module)
    _brought.setdefault(module, {module}).update(_declared.keys() - known)
    return (name for name in _declared if name in _brought[module] or name.startswith(f"{module}."))


def _import(module: str) -> None:
    try:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if not _is_part(error.name, module) or not _look_in_working_directory():
                raise
            importlib.import_module(module)
    except Exception as error:
        raise ConfigurationError(f"The module {module} cannot be imported: {type(error).__name__}: {error}.") from error


def _is_part(missing: str | None, module: str) -> bool:
    return missing is not None and f"{module}.".startswith(f"{missing}.")


def _look_in_working_directory() -> bool:
    """Behind everything else on the path, so that a user's `app/` never hides ours. False: it is there already."""
    here = str(Path.cwd())
    if here in sys.path:
        return False
    sys.path.append(here)
    return True


def _at_once(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives, `async def` or not, as long as it does not wait."""
    result = function(*arguments)
    if not inspect.iscoroutine(result):
        return result
    try:
        result.send(None)
    except StopIteration as done:
        return done.value
    result.close()
    raise RuntimeError(f"{function!r} waits for something; only process may")
