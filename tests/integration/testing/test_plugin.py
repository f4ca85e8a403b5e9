"""The fixtures for pytest, used as a suite would that defines one of them itself."""

from collections.abc import Sequence

import pytest

from streamer.testing import Stack
from streamer.testing import pytest as plugin

streamer_stack = plugin.streamer_stack
streamer_settings = plugin.streamer_settings


@pytest.fixture(scope="session")
def streamer_actions() -> Sequence[str]:
    return ["tests.support.bill"]


async def test_a_session_of_the_stack_calls_an_action(streamer_stack: Stack) -> None:
    async with streamer_stack.connect() as session:
        assert (await session.call("echo", 1))["echo"] == 1
