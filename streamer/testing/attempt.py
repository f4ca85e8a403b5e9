"""One run of an action in this process, as a worker makes it, with everything that it tells noted down."""

import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
from pydantic_core import to_jsonable_python

from streamer.actions import declared, load_registry
from streamer.auth.principal import Principal
from streamer.context import Context
from streamer.definitions import Action
from streamer.errors import Forbidden, ResultTooLarge
from streamer.jobs import ids
from streamer.registry import Registry
from streamer.store.queue import MAX_BODY_BYTES
from streamer.testing.handling import Handling
from streamer.testing.record import Recorder, Run, SubmitRecorder

THREADS: Final = 4


async def run(
    action: str | Callable[..., Any],
    payload: Any = None,
    *,
    user: str = "tester",
    tenant: str = "test",
    permissions: Collection[str] = (),
    metadata: Mapping[str, Any] | None = None,
    request_id: str = "test",
    attempt: int = 1,
    checkpoint: Any = None,
    state: Any = None,
    timeout_s: float | None = None,
    modules: Sequence[str] = (),
    cancel_after: Callable[[Run], object] | None = None,
    into: Run | None = None,
) -> Run:
    """Runs an action once, by its name or by the function that was declared.

    The middleware and the lifespan of the module that declares it are honoured, or those of `modules`, where these are
    given; a `state` stands for what the lifespan would have yielded, which then does not run. `payload`, `checkpoint`
    and `metadata` (values, models, dataclasses) become JSON first, as on the wire. `timeout_s`: None: the action's own.

    `cancel_after` is asked after everything that the handler tells, and cancels the run once it is true. `into` is
    filled instead of a new Run, for what was told before an error.

    Raises InvalidAction; Forbidden where the action wants another permission; InvalidPayload; whatever the handler
    raises, as it is (ActionError and Retry too); TypeError for a result that is not what was promised, or no JSON;
    ResultTooLarge; TimedOut; TimeoutError where the handler goes on for 5 s though it was asked to stop.
    """
    names = tuple(modules) or (declared(action).module,)
    async with _registry(names, state) as registry:
        known = registry.get(action if isinstance(action, str) else declared(action).name)
        if not Principal(user, tenant, frozenset(permissions), None).may(known.permission):
            raise Forbidden(f"{known.name} wants the permission {known.permission}.")
        request = known.validate(_values(payload))
        record = Run() if into is None else into
        handling = Handling(record, cancel_after)
        limit_s = known.timeout_s if timeout_s is None else timeout_s
        context = Context(
            request_id,
            user,
            tenant,
            known.name,
            attempt=attempt,
            metadata=_values(metadata),
            deadline=None if limit_s is None else time.time() + limit_s,
            state=registry.state if state is None else state,
            checkpoint=_values(checkpoint),
            reporter=Recorder(record, handling.noted),
            job_id=ids.job_id(tenant, user, request_id),
            submitter=SubmitRecorder(registry, record, handling.noted),
        )
        result = await handling.run(context, lambda: registry.invoke(known, context, request), registry.join, limit_s)
        if not record.cancelled:
            record.result = _promised(known, result)
        return record


@asynccontextmanager
async def _registry(modules: Sequence[str], state: Any) -> AsyncIterator[Registry]:
    registry = load_registry(modules, threads=THREADS)
    if state is None:
        async with registry.running():
            yield registry
        return
    try:
        yield registry
    finally:
        registry.close()


def _values(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value, default=to_jsonable_python))


def _promised(action: Action, result: Any) -> Any:
    encoded = action.encode(result)
    if len(encoded) > MAX_BODY_BYTES:
        raise ResultTooLarge
    return orjson.loads(encoded)
