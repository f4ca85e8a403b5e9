"""What only other servers than ours do; the rest is in tests/integration/app."""

from pathlib import Path
from typing import Any

import pytest

from app.endpoint import Endpoint
from app.health import Health
from tests.integration.app.house import house


def scope(node: Any, **changes: Any) -> dict[str, Any]:
    return {"type": "websocket", "headers": [], "query_string": b"", "state": {"node": node}, **changes}


async def connecting() -> dict[str, Any]:
    return {"type": "websocket.connect"}


async def test_a_server_without_http_answers_is_told_to_close(tmp_path: Path) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async with house(tmp_path) as opened:
        await Endpoint()(scope(opened.node), connecting, send)
    assert sent == [{"type": "websocket.close"}]


async def test_a_client_that_leaves_during_the_handshake_leaves_its_seat(tmp_path: Path) -> None:
    async def send(_: Any) -> None:
        raise ConnectionResetError

    async with house(tmp_path, auth_mode="off", jwt_secret=None) as opened:
        with pytest.raises(ConnectionResetError):
            await Endpoint()(scope(opened.node, headers=[(b"host", b"localhost")]), connecting, send)
        assert not opened.node.seats._taken


def test_health_in_words() -> None:
    assert Health().unready == "starting"
    assert Health(store_was_seen=True).unready is None
