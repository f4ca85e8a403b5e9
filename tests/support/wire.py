"""A client that says and notes everything as it is on the wire, for tests that end in the invariant checker.

Every frame is held against the AsyncAPI document as it goes by.
"""

import asyncio
import functools
import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from streamer.auth import issue_token
from streamer.protocol.codes import VERSION_1
from tests.support.contract import Conversation, contract
from tests.support.ledger import Ledger
from tests.support.until import until

SECRET = "a secret for tests, of more than 32 bytes"
OUTCOMES = ("complete", "response", "error")


def token(user: str = "ann", tenant: str = "acme", *permissions: str, expires_in_s: int = 3600) -> str:
    return issue_token(SECRET, user=user, tenant=tenant, permissions=permissions, expires_in_s=expires_in_s)


class WireClient:
    """One connection. Everything sent and received is in `ledger` under `name`, and received frames in `frames`.

    A frame that breaks the contract fails the test: where it looks at frames next, sends, or leaves the connection.
    """

    def __init__(
        self,
        url: str,
        ledger: Ledger,
        name: str,
        *,
        user: str = "ann",
        tenant: str = "acme",
        permissions: Sequence[str] = (),
        plain: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.frames: list[dict[str, Any]] = []
        self.close_code: int | None = None  # None while it is open
        self._url = f"{url.replace('http', 'ws', 1)}/ws"
        self._ledger = ledger
        self._headers = {"Authorization": f"Bearer {token(user, tenant, *permissions)}", **(headers or {})}
        self._subprotocols = None if plain else [VERSION_1]
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._reads = asyncio.Event()  # unset while it is paused
        self._reads.set()
        self._is_cut = False
        self._conversation = Conversation(contract())

    async def __aenter__(self) -> Self:
        self._socket = await connect(
            self._url,
            additional_headers=self._headers,
            subprotocols=self._subprotocols,  # type: ignore[arg-type]  # Subprotocol is a NewType of str
            max_size=8 << 20,
            proxy=None,
            open_timeout=30,
            ping_interval=None,
        )
        self._reading = asyncio.create_task(self._read(self._socket), name=f"wire {self.name}")
        if self._subprotocols is not None:
            try:
                await until(lambda: self.frames or self.close_code is not None, what=f"a greeting of {self.name}")
            except BaseException:  # also where the caller does not wait so long
                await self.cut()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._socket is not None
        assert self._reading is not None
        self.unpause()
        await self._socket.close()
        await self._reading
        self._conversation.check()

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                await self._reads.wait()
                if self._is_cut:
                    break
                frame = json.loads(text)
                self.frames.append(frame)
                self._conversation.hear(frame)
                self._ledger.received(self.name, frame)
        except ConnectionClosed:
            pass
        finally:
            self.close_code = socket.close_code

    async def cut(self) -> None:
        """The network is gone: no closing handshake. What was not noted by now is lost, and nothing more is owed."""
        assert self._socket is not None
        assert self._reading is not None
        self._is_cut = True
        self._ledger.lost(self.name)
        self._socket.transport.abort()
        self.unpause()
        await self._reading
        self._conversation.check()

    async def closed(self) -> None:
        """Waits until the socket is gone, whoever ended it."""
        assert self._reading is not None
        await asyncio.wait([self._reading])

    def pause(self) -> None:
        """Reads nothing more: once the buffers on the way are full, the node sees a reader that is too slow."""
        self._reads.clear()

    def unpause(self) -> None:
        self._reads.set()

    @property
    def welcome(self) -> dict[str, Any]:
        """The first frame of a connection that is no plain one."""
        return self.seen("welcome")[0]

    async def send(self, frame: Mapping[str, Any], *, is_valid: bool = True) -> None:
        """Not `is_valid`: the test says what no client may say."""
        assert self._socket is not None
        self._conversation.check()
        self._conversation.note(frame)
        if is_valid:
            self._conversation.say(frame)
        self._ledger.sent(self.name, frame)
        await self._socket.send(json.dumps(frame))

    async def request(self, action: str, payload: Any, request_id: str, **fields: Any) -> None:
        await self.send({"action": action, "payload": payload, "id": request_id, **fields})

    async def resume(
        self, requests: Sequence[Mapping[str, Any]], connection_id: str | None = None, n: int | None = None
    ) -> None:
        """Comes back for these requests; `requests`, `connection_id` and `n` as they go on the wire."""
        frame = {"type": "resume", "requests": list(requests), "connection_id": connection_id, "n": n}
        await self.send({name: value for name, value in frame.items() if value is not None})

    async def subscribe(self, job_id: str, **fields: Any) -> None:
        """Watches a job; `fields`: `attempt`, `seq`, `chunks`, `events`."""
        await self.send({"type": "subscribe", "job_id": job_id, **fields})

    async def unsubscribe(self, job_id: str) -> None:
        await self.send({"type": "unsubscribe", "job_id": job_id})

    async def insist(self, action: str, payload: Any, request_id: str) -> dict[str, Any]:
        """Submits, again and again while the refusal says that this may help. The acknowledgment, or the refusal."""
        refused = 0
        while True:
            await self.request(action, payload, request_id)
            answers = await until(
                functools.partial(self._answers, request_id, refused), timeout_s=60, what=f"an answer to {request_id}"
            )
            answer = answers[0]
            if answer["type"] != "error" or not answer["error"]["retry"]["retryable"]:
                return answer
            refused += 1

    def _answers(self, request_id: str, refused: int) -> list[dict[str, Any]]:
        refusals = [frame for frame in self.seen("error", request_id=request_id) if not frame["final"]]
        return [*self.seen("acknowledgment", request_id=request_id), *refusals[refused:]]

    def seen(self, *types: str, request_id: str | None = None) -> list[dict[str, Any]]:
        """The frames so far, of these types, about this request."""
        self._conversation.check()
        return [
            frame
            for frame in self.frames
            if (not types or frame["type"] in types) and request_id in (None, frame.get("request_id"))
        ]

    async def expect(self, *types: str, request_id: str | None = None, timeout_s: float = 40.0) -> dict[str, Any]:
        """The first frame of these types about this request, as soon as it has come; AssertionError when it cannot."""
        what = f"{types} of {request_id} on {self.name}"

        def there() -> list[dict[str, Any]]:
            found = self.seen(*types, request_id=request_id)
            if not found and self._reading is not None and self._reading.done():
                raise AssertionError(f"{what} will not come: the socket was closed with {self.close_code}")
            return found

        return (await until(there, timeout_s=timeout_s, what=what))[0]

    async def outcome(self, request_id: str, *, timeout_s: float = 40.0) -> dict[str, Any]:
        """The frame that ends the request: its answer, its outcome, or its refusal."""
        return await self.expect(*OUTCOMES, request_id=request_id, timeout_s=timeout_s)
