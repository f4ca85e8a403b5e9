"""Credentials that come from the machine's metadata service, as on ECS: it may be down, at the start or later."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from botocore.utils import ContainerMetadataFetcher

from streamer.errors import StoreUnavailable
from tests.support.dynamodb_local import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.support.store import Engine
from tests.support.until import until

SOON = timedelta(seconds=2)
LATER = timedelta(hours=1)


class Metadata:
    """Gives credentials for a while (`lasts`), or none."""

    def __init__(self) -> None:
        self.is_down = True
        self.lasts = SOON
        self.given: list[datetime] = []  # when what was given ends
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Metadata"]:
        app = web.Application()
        app.router.add_get("/credentials", self._give)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/credentials"
            yield self
        finally:
            await runner.cleanup()

    @property
    def has_ended(self) -> bool:
        """What was given last is of no use any more."""
        return datetime.now(UTC) > self.given[-1]

    async def _give(self, _: web.Request) -> web.Response:
        if self.is_down:
            return web.Response(status=500)
        self.given.append(datetime.now(UTC) + self.lasts)
        return web.json_response(
            {
                "AccessKeyId": ACCESS_KEY_ID,
                "SecretAccessKey": SECRET_ACCESS_KEY,
                "Token": "t",
                "Expiration": self.given[-1].strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )


async def test_credentials_that_cannot_be_had_for_a_while_are_waited_for(
    dynamodb_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in dynamodb_engine.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(ContainerMetadataFetcher, "SLEEP_TIME", 0.05)  # between its tries; 1 s
    async with Metadata().serving() as metadata:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", metadata.url)
        async with dynamodb_engine.open() as store:
            with pytest.raises(StoreUnavailable):
                await store.check()
            metadata.is_down = False
            await store.check()
            metadata.is_down = True
            await until(lambda: metadata.has_ended)
            with pytest.raises(StoreUnavailable):
                await store.check()
            metadata.is_down, metadata.lasts = False, LATER
            await store.check()
            assert await store.nodes.beat("app", "credentials", {}) == 1
            await store.nodes.remove("app", "credentials")
