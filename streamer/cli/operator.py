"""The store as a command finds it, and who runs that."""

import contextlib
import getpass
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import structlog

from streamer.cluster.calls import Caller
from streamer.operations import Operator
from streamer.process import cluster_keys, opened
from streamer.settings import Settings
from streamer.telemetry.metrics import Metrics


@asynccontextmanager
async def operating() -> AsyncIterator[Operator]:
    """An operator at the store that the settings name. Raises ConfigurationError, StoreUnavailable in a sentence."""
    settings = Settings.read()
    with hushed():
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(opened(settings, Metrics()))
            await store.check()
            caller = await stack.enter_async_context(Caller(cluster_keys(settings)[0])) if _has_key(settings) else None
            yield Operator(store, None if caller is None else caller.post)


def whoever() -> str | None:
    """The account that runs the command, for the audit; None where it has no name, as in a container."""
    with contextlib.suppress(OSError, KeyError):
        return getpass.getuser()
    return None


def _has_key(settings: Settings) -> bool:
    return settings.cluster_key_id is not None and settings.cluster_secret is not None


@contextmanager
def hushed() -> Iterator[None]:
    """What the parts of a process log goes to stderr, and only from WARNING on: stdout is the command's."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)
