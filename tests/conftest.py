"""Servers and engines that tests of several folders share."""

import asyncio
import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from streamer.jobs import ids
from tests.support.dynamodb_local import GIVEN_URL, DynamoDBLocal
from tests.support.store import Engine

AWS_PREFIX = os.environ.get("STREAMER_CONTRACT_AWS_PREFIX")
"""With this set, the contract also runs on the AWS account that the environment names, in tables of this prefix."""

STORES = os.environ.get("STREAMER_TEST_STORES", "sqlite,dynamodb").split(",")
"""`make test STORES=sqlite` does without Java and npm."""

settings.register_profile("streamer", deadline=None, print_blob=True)
settings.load_profile("streamer")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Processes that share the tests of one run share its server too: each would need half a gigabyte for its own."""
    if "dynamodb" in STORES and not config.option.collectonly:
        server = DynamoDBLocal().start()
        config.add_cleanup(server.stop)
        os.environ[GIVEN_URL] = server.url


@pytest.fixture(scope="session")
def dynamodb_local() -> Iterator[DynamoDBLocal]:
    """One server for the whole run. A test that stops or pauses a server starts its own."""
    with DynamoDBLocal() as server:
        yield server


@pytest.fixture(scope="session")
def dynamodb_engine(dynamodb_local: DynamoDBLocal) -> Engine:
    """DynamoDB Local with its tables made. Its `environment` must be set where it is opened: see `engine`."""
    prefix = f"test_{ids.nonce()}_"
    return _with_tables(Engine("dynamodb", "dynamodb", prefix, dynamodb_local.environment))


@pytest.fixture(scope="session")
def aws_engine() -> Engine:
    return _with_tables(Engine("aws", "dynamodb", AWS_PREFIX or ""))


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: looking through it again and again costs tenths of seconds,
    during which the loop of a test stands still."""
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without DynamoDB among the stores, tests that need its server are left out."""
    if "dynamodb" in STORES:
        return
    left_out = [item for item in items if "dynamodb_local" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(params=[*STORES, *(["aws"] if AWS_PREFIX else [])])
def engine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Each engine in turn, its tables made. SQLite: a file of this test; DynamoDB: tables that all tests share."""
    if request.param == "sqlite":
        return _with_tables(Engine("sqlite", f"sqlite:///{tmp_path}/streamer.db"))
    made: Engine = request.getfixturevalue(f"{request.param}_engine")
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def _with_tables(made: Engine) -> Engine:
    async def create() -> None:
        async with made.open() as store:
            await store.create()

    with pytest.MonkeyPatch.context() as environment, asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        for name, value in made.environment.items():
            environment.setenv(name, value)
        runner.run(create())
    return made
