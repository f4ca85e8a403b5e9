"""Which engine, by its URL: the one place that knows them all."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from streamer.errors import ConfigurationError
from streamer.store.base import Observer, OpenStore, Store, now_ms
from streamer.store.finding import Examination
from streamer.store.queue import Retention

_SQLITE: Final = "sqlite:///"


@asynccontextmanager
async def open_store(
    url: str,
    *,
    table_prefix: str = "streamer_",
    retention: Retention = Retention(),  # noqa: B008  # immutable
    clock: Callable[[], int] = now_ms,
    observer: Observer | None = None,
) -> AsyncIterator[Store]:
    """The store of `sqlite:///relative/path`, `sqlite:////absolute/path` or `dynamodb`, closed at the end.

    Opening neither asks nor makes anything: `check` and `create` do. Raises ConfigurationError for another URL.
    """
    if url == "dynamodb":
        opened = _dynamodb(table_prefix, retention, clock, observer)
    else:
        opened = _sqlite(_path(url), retention, clock, observer)
    async with opened as store:
        yield store


# An engine is imported when it is chosen: the AWS SDK alone takes 0.4 s and 38 MiB.


async def examine(url: str, *, table_prefix: str, needs_stream: bool, clock: Callable[[], int] = now_ms) -> Examination:
    """What keeps that store from being used, each thing in plain words and within seconds; changes nothing there.

    Raises ConfigurationError for another URL.
    """
    if url == "dynamodb":
        from streamer.store.dynamodb.examination import examine as examine_dynamodb  # noqa: PLC0415

        return await examine_dynamodb(table_prefix, needs_stream=needs_stream, clock=clock)
    from streamer.store.sqlite.examination import examine as examine_sqlite  # noqa: PLC0415

    path = _path(url).absolute()
    return await examine_sqlite(path, _sqlite(path, Retention(), clock, None))


def _path(url: str) -> Path:
    path = url.removeprefix(_SQLITE)
    if path in ("", url, ":memory:"):
        raise ConfigurationError(f"STREAMER_STORE is sqlite:///path/of/file or dynamodb, not {url!r}.")
    return Path(path)


def _dynamodb(
    table_prefix: str, retention: Retention, clock: Callable[[], int], observer: Observer | None
) -> OpenStore:
    from streamer.store.dynamodb.store import open_dynamodb  # noqa: PLC0415

    return open_dynamodb(table_prefix=table_prefix, retention=retention, clock=clock, observer=observer)


def _sqlite(path: Path, retention: Retention, clock: Callable[[], int], observer: Observer | None) -> OpenStore:
    from streamer.store.sqlite.store import open_sqlite  # noqa: PLC0415

    return open_sqlite(path, retention=retention, clock=clock, observer=observer)
