"""The client and a real node: a token is renewed while a request is open."""

import asyncio
from pathlib import Path

from streamer.client import connect
from tests.integration.app.actions import gates
from tests.integration.app.house import house, token
from tests.support.until import until


async def test_a_token_is_renewed_under_an_open_request(tmp_path: Path) -> None:
    tokens = iter([token(expires_in_s=5), token(expires_in_s=600)])
    async with house(tmp_path) as node, connect(node.ws_url, lambda: next(tokens)) as session:
        call = asyncio.create_task(session.call("wait", {"gate": "renewal"}))
        welcome = session.welcome
        await until(
            lambda: session.token_expires_at != welcome.token_expires_at, what="the node takes the second token"
        )
        assert session.token_expires_at is not None
        assert welcome.token_expires_at is not None
        assert session.token_expires_at > welcome.token_expires_at + 60
        gates["renewal"].set()
        assert await call == {"gate": "renewal"}
        assert session.welcome is welcome  # another socket would have brought another one
    gates.clear()
