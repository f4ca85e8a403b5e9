import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from streamer.store.sqlite import SqliteStore, file
from tests.support.jobs import Clock

Sql = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with its tables."""
    made = tmp_path / "streamer.db"
    file.create(made, 5.0)
    return made


@pytest.fixture
async def store(path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, clock=clock)
    yield store
    await store.close()


@pytest.fixture
def sql(path: Path) -> Sql:
    """Runs a statement on the file, from the outside."""

    def run(statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return connection.execute(statement, values).fetchall()

    return run
