"""The actions of one process, and how one of them is run."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from streamer.context import Context
from streamer.definitions import Action
from streamer.errors import ConfigurationError, InvalidAction, StreamerError
from streamer.handlers import AsyncRun, Run
from streamer.schedules import Schedule
from streamer.threads import Threads

Middleware = Callable[[Context, Any, AsyncRun], Coroutine[Any, Any, Any]]
"""`async def mw(ctx, request, call_next)`; gives what `await call_next(ctx, request)` gave, or something else."""
Lifespan = Callable[[], AbstractAsyncContextManager[Any]]
_ANY_TICK: Final = datetime(2000, 1, 1, tzinfo=UTC)


class Registry:
    """Finds actions by name, and composes each with the middleware once."""

    def __init__(
        self,
        actions: Iterable[Action],
        *,
        threads: int,
        middleware: Sequence[Middleware] = (),
        lifespan: Lifespan = nullcontext,
        schedules: Iterable[Schedule] = (),
    ) -> None:
        """`middleware`: the first is the outermost. Raises ConfigurationError where a name comes twice, or a schedule
        starts what is not there or refuses its payload."""
        self.state: Any = None  # what the lifespan yielded; None outside `running`
        self._threads = Threads(threads)
        self._lifespan = lifespan
        self._actions = _by_name(actions)
        self._runs = {name: self._composed(action, middleware) for name, action in self._actions.items()}
        self.schedules = list(_with_names_of_their_own(schedules))
        for schedule in self.schedules:
            self._require_runnable(schedule)

    def get(self, name: str) -> Action:
        """Raises InvalidAction."""
        try:
            return self._actions[name]
        except KeyError:
            raise InvalidAction from None

    def __contains__(self, name: object) -> bool:
        return name in self._actions

    def names(self) -> Collection[str]:
        return self._actions.keys()

    def invoke(self, action: Action, ctx: Context, request: Any) -> Coroutine[Any, Any, Any]:
        """One run, not started yet: the handler's own coroutine where it is `async def` and nothing wraps it.

        Raises, when awaited, what the handler raises, and ServiceUnavailable where no thread is free for a `def`.
        When it is cancelled, so is an `async def` handler; a `def` goes on in its thread and sees `ctx.cancelled`.
        """
        return self._runs[action.name](ctx, request)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Registry"]:
        """The life of the process: `state` is what the user's lifespan yields. Closes the registry at its end."""
        async with self._lifespan() as state:
            self.state = state
            try:
                yield self
            finally:
                self.close()
                self.state = None

    def close(self) -> int:
        """Starts no `def` handler any more; gives the number of those whose threads still run (see `Threads`)."""
        return self._threads.close()

    def join(self) -> None:
        """Closes the registry, and blocks until every thread of a `def` handler has ended."""
        self._threads.join()

    def _require_runnable(self, schedule: Schedule) -> None:
        where = f"The schedule {schedule.name} in {schedule.module}"
        if schedule.action not in self:
            raise ConfigurationError(f"{where} starts {schedule.action}, which no module declares.")
        if callable(schedule.payload):  # whose payload is known when the tick comes
            return
        try:
            self.get(schedule.action).validate(schedule.payload_at(_ANY_TICK))
        except StreamerError as error:
            detail = f": {error.details}" if error.details else ""
            raise ConfigurationError(f"{where} has a payload that {schedule.action} refuses{detail}.") from error

    def _composed(self, action: Action, middleware: Sequence[Middleware]) -> AsyncRun:
        run = action.handler.run if action.is_async else partial(self._in_thread, action.handler.run)
        for wrapper in reversed(middleware):
            run = partial(_wrapped, wrapper, run)
        return run

    async def _in_thread(self, run: Run, ctx: Context, request: Any) -> Any:
        try:
            return await self._threads.run(partial(run, ctx, request))
        except asyncio.CancelledError:
            ctx.cancelled = True
            raise


def _wrapped(wrapper: Middleware, run: AsyncRun, ctx: Context, request: Any) -> Coroutine[Any, Any, Any]:
    return wrapper(ctx, request, run)


def _by_name(actions: Iterable[Action]) -> dict[str, Action]:
    found: dict[str, Action] = {}
    for action in actions:
        twin = found.setdefault(action.name, action)
        if twin is not action:
            raise ConfigurationError(
                f"The action {action.name} is declared twice, in {twin.module} and in {action.module}: rename one."
            )
    return found


def _with_names_of_their_own(schedules: Iterable[Schedule]) -> Iterable[Schedule]:
    found: dict[str, Schedule] = {}
    for schedule in schedules:
        twin = found.setdefault(schedule.name, schedule)
        if twin is not schedule:
            raise ConfigurationError(
                f"The schedule {schedule.name} is declared twice, in {twin.module} and in {schedule.module}: "
                "name one of them."
            )
        yield schedule
