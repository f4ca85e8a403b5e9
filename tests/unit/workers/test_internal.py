"""Who is served on the internal port."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
import pytest

from streamer.cluster.sigv4 import Call, Key, sign
from streamer.errors import StoreUnavailable
from streamer.telemetry.metrics import Metrics
from workers import internal

KEY = Key("AKID", "secret")
NOW = 1_800_000_000.0


class Client:
    """Calls the application without a socket."""

    def __init__(self) -> None:
        self.is_ready = True
        self.jobs: list[Any] = []
        self.error: Exception | None = None
        self.app = internal.application(
            keys=[KEY], verbs={"hint": self.hint}, metrics=Metrics(), is_ready=lambda: self.is_ready, clock=lambda: NOW
        )

    async def hint(self, jobs: Sequence[Any]) -> Mapping[str, Any]:
        if self.error is not None:
            raise self.error
        self.jobs += jobs
        return {"taken": [job["id"] for job in jobs]}

    async def call(self, method: str, path: str, body: bytes = b"", *, key: Key | None = KEY) -> tuple[int, bytes]:
        headers = {"host": "w:1"}
        if key is not None:
            headers |= sign(key, Call(method=method, path=path, headers=headers, body=body), NOW)
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        run: Callable[..., Awaitable[None]] = self.app
        await run(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@pytest.fixture
def client() -> Client:
    return Client()


async def test_a_signed_call_is_answered(client: Client) -> None:
    status, body = await client.call("POST", "/internal/hint", b'{"jobs":[{"id":"j1"}]}')
    assert (status, orjson.loads(body)) == (200, {"taken": ["j1"]})


@pytest.mark.parametrize("key", [None, Key("AKID", "guess")])
async def test_a_stranger_is_refused(client: Client, key: Key | None) -> None:
    assert await client.call("POST", "/internal/hint", b'{"jobs":[]}', key=key) == (403, b"")
    assert client.jobs == []


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"jobs":1}', b'{"jobs":[{}]}', b'{"jobs":["j1"]}'])
async def test_a_malformed_call_is_refused(client: Client, body: bytes) -> None:
    assert (await client.call("POST", "/internal/hint", body))[0] == 400


async def test_a_huge_call_is_refused(client: Client) -> None:
    assert (await client.call("POST", "/internal/hint", b"x" * (internal.MAX_BODY_BYTES + 1)))[0] == 413


async def test_a_store_that_is_away_is_said(client: Client) -> None:
    client.error = StoreUnavailable()
    assert (await client.call("POST", "/internal/hint", b'{"jobs":[]}'))[0] == 503


async def test_what_monitoring_asks_is_open(client: Client) -> None:
    assert await client.call("GET", "/livez", key=None) == (200, b"ok")
    assert (await client.call("GET", "/readyz", key=None))[0] == 200
    client.is_ready = False
    assert (await client.call("GET", "/readyz", key=None))[0] == 503
    status, body = await client.call("GET", "/metrics", key=None)
    assert status == 200
    assert b"streamer_running 0.0" in body
