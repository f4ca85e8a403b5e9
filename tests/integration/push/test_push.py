"""A back end that pushes, against the internal port of a node and a store of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamer.cluster.calls import Gone, Unreachable
from streamer.errors import ConfigurationError, StoreUnavailable
from streamer.push import pushing
from streamer.settings import Settings
from streamer.store.base import Store
from streamer.store.open import open_store
from tests.support.management_node import KEY, ManagementNode


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=f"sqlite:///{tmp_path}/s.db", cluster_key_id=KEY.key_id, cluster_secret=KEY.secret)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with open_store(settings.store) as opened:
        await opened.create()
        yield opened


async def test_to_one_connection(settings: Settings, store: Store) -> None:
    async with ManagementNode().serving(store) as node, pushing(settings) as push:
        name = await node.connect(store)
        await push.send(name, {"text": "hi"})
        await push.send(name, b"as it is")
    assert node.posted == [(name, b'{"text":"hi"}'), (name, b"as it is")]


async def test_to_everybody_of_a_tenant(settings: Settings, store: Store) -> None:
    async with (
        ManagementNode().serving(store) as left,
        ManagementNode().serving(store) as right,
        pushing(settings) as push,
    ):
        names = [await node.connect(store) for node in (left, right) for _ in range(3)]
        closed, slow = names[0], names[4]
        left.answers[closed], right.answers[slow] = 410, 429
        result = await push.broadcast({"n": 1}, tenant="acme")
    assert (result.sent, result.gone, result.failed) == (4, 1, 1)
    assert result.fault is not None
    assert result.fault.status == 429
    assert sorted(name for name, _ in left.posted) == sorted(names[:3])
    assert sorted(name for name, _ in right.posted) == sorted(names[3:])


@pytest.mark.parametrize(("status", "error"), [(410, Gone), (413, Unreachable), (429, Unreachable)])
async def test_a_message_that_was_not_sent(
    settings: Settings, store: Store, status: int, error: type[Exception]
) -> None:
    async with ManagementNode().serving(store) as node, pushing(settings) as push:
        name = await node.connect(store)
        node.answers[name] = status
        with pytest.raises(error):
            await push.send(name, 1)


async def test_a_node_that_does_not_answer(settings: Settings, store: Store) -> None:
    async with ManagementNode().serving(store) as node:
        name = await node.connect(store)
    async with pushing(settings) as push:
        with pytest.raises(Unreachable) as error:
            await push.send(name, 1)
    assert error.value.status is None


async def test_another_key_is_refused(settings: Settings, store: Store) -> None:
    async with ManagementNode().serving(store) as node:
        name = await node.connect(store)
        wrong = settings.model_copy(update={"cluster_key_id": "other"})
        async with pushing(wrong) as push:
            with pytest.raises(Unreachable) as error:
                await push.send(name, 1)
    assert error.value.status == 403
    assert node.posted == []


async def test_a_store_that_is_not_there(settings: Settings) -> None:
    async with pushing(settings) as push:
        with pytest.raises(StoreUnavailable):
            await push.broadcast(1, tenant="acme")


async def test_the_settings_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMER_CLUSTER_KEY_ID", raising=False)
    with pytest.raises(ConfigurationError, match="STREAMER_CLUSTER_KEY_ID"):
        async with pushing():
            pytest.fail("it opened without a key")
