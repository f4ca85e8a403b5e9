"""Fixtures for pytest: `pytest_plugins = ["streamer.testing.pytest"]` in the conftest.py at the root of the tests."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from streamer.testing.system import Stack, stack


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("streamer_actions", "Modules of actions that the fixture streamer_stack loads.", "args", default=[])


@pytest.fixture(scope="session")
def streamer_actions(pytestconfig: pytest.Config) -> Sequence[str]:
    """The modules of actions: those of the ini option `streamer_actions`, unless you define this fixture yourself."""
    modules: list[str] = pytestconfig.getini("streamer_actions")
    return modules


@pytest.fixture(scope="session")
def streamer_settings() -> Mapping[str, Any]:
    """Settings of the stack; none, unless you define this fixture yourself."""
    return {}


@pytest.fixture(scope="session")
def streamer_stack(streamer_actions: Sequence[str], streamer_settings: Mapping[str, Any]) -> Iterator[Stack]:
    """A node and a worker for all tests; their own sessions are opened by `streamer_stack.connect`."""
    opened = stack(streamer_actions, **streamer_settings)
    # No async fixture: it works with any plugin for async tests, and no loop has to run between them.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        made = runner.run(opened.__aenter__())
        try:
            yield made
        finally:
            runner.run(_closed(opened))


async def _closed(opened: Any) -> None:
    await opened.__aexit__(None, None, None)
