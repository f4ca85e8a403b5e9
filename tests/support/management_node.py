"""The management API of a node as its callers see it: `POST /@connections/{id}`, signed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self

from aiohttp import web

from streamer.cluster.registry import APP
from streamer.cluster.sigv4 import Call, Key, verify
from streamer.errors import Forbidden
from streamer.jobs import ids
from streamer.store.base import Connection, Store, now_ms

KEY: Final = Key("test", "secret")


class ManagementNode:
    """Keeps what is posted to its connections; `answers` are the statuses that are not 200."""

    def __init__(self) -> None:
        self.node_id = ids.boot_id()
        self.endpoint = ""
        self.posted: list[tuple[str, bytes]] = []
        self.answers: dict[str, int] = {}

    @asynccontextmanager
    async def serving(self, store: Store) -> AsyncIterator[Self]:
        """Listening, and in the registry."""
        app = web.Application()
        app.router.add_post("/@connections/{id}", self._post)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
            await store.nodes.beat(APP, self.node_id, {"endpoint": self.endpoint, "draining": False})
            yield self
        finally:
            await runner.cleanup()

    async def connect(self, store: Store, *, tenant: str = "acme", user: str = "ann") -> str:
        """The id of a connection of this node."""
        name, now = ids.connection_id(self.node_id), now_ms()
        row = Connection(
            connection_id=name, node_id=self.node_id, tenant=tenant, user=user, connected_ms=now, last_ping_ms=now
        )
        await store.connections.save(row)
        return name

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = Call(method="POST", path=request.raw_path, headers=headers, body=body)
        try:
            verify([KEY], call, now_ms() / 1000)
        except Forbidden:
            return web.Response(status=403)
        self.posted.append((request.match_info["id"], body))
        return web.Response(status=self.answers.get(request.match_info["id"], 200))
