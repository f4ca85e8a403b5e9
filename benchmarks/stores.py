"""The engines that benchmarks run on: a file, and DynamoDB Local, each with its tables made."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes
from streamer.store.base import Store
from streamer.store.open import open_store
from tests.support.dynamodb_local import DynamoDBLocal


@dataclass(frozen=True, slots=True)
class Place:
    """A store, and what processes that use it are told."""

    name: str
    url: str
    environment: Mapping[str, str]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Store]:
        os.environ.update(self._sdk())
        async with open_store(self.url) as store:
            yield store

    def _sdk(self) -> dict[str, str]:
        return {name: value for name, value in self.environment.items() if name.startswith("AWS_")}


@contextlib.contextmanager
def sqlite() -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder:
        environment = processes.environment(Path(folder))
        yield _made(Place("SQLite", environment["STREAMER_STORE"], environment))


@contextlib.contextmanager
def dynamodb() -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder, DynamoDBLocal() as server:
        environment = {**processes.environment(Path(folder)), **server.environment, "STREAMER_STORE": "dynamodb"}
        yield _made(Place("DynamoDB Local", "dynamodb", environment))


def _made(place: Place) -> Place:
    async def create() -> None:
        async with place.open() as store:
            await store.create()

    asyncio.run(create())
    return place
