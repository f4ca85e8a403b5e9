"""A node or a worker as an operator's commands see it: it keeps the signed calls that it gets."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
from aiohttp import web

from streamer.cluster.sigv4 import Call, Key, verify
from streamer.jobs import ids
from streamer.store.base import Store, now_ms

KEY: Final = Key("test", "secret")


class Peer:
    """`calls`: path and body of each. `status` is what it answers."""

    def __init__(self) -> None:
        self.node_id = ids.boot_id()
        self.calls: list[tuple[str, bytes]] = []
        self.status = 200

    @asynccontextmanager
    async def serving(self, store: Store, kind: str, info: Mapping[str, Any]) -> AsyncIterator["Peer"]:
        """Listening, and in the registry."""
        app = web.Application()
        app.router.add_post("/internal/{verb}", self._post)
        app.router.add_get("/livez", self._livez)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
            await store.nodes.beat(kind, self.node_id, {"endpoint": endpoint, **info})
            yield self
        finally:
            await runner.cleanup()

    def jobs(self, path: str) -> list[Any]:
        """What calls to this path named."""
        return [job for called, body in self.calls if called == path for job in orjson.loads(body)["jobs"]]

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        verify([KEY], Call(method="POST", path=request.raw_path, headers=headers, body=body), now_ms() / 1000)
        self.calls.append((request.path, body))
        return web.json_response({}, status=self.status)
