"""Twenty thousand messages that nobody would send: the node answers in the protocol's words, logs no fault of its own,
and needs no more memory for it. Other messages: `STREAMER_FUZZ_SEED=7`."""

import asyncio
import os
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from streamer.protocol.codes import Close
from tests.support.contract import Contract, contract
from tests.support.processes import Process, Processes, processes
from tests.support.until import PATIENT_S
from tests.support.wild_frames import Sent, frames
from tests.support.wire import SECRET, token

AT_ONCE = 20
BATCHES = 1_000
OF_A_CONNECTION = 50  # batches
WARM = 250  # batches after which memory is looked at for the first time
MORE_KIB = 16 * 1024
SEED = int(os.environ.get("STREAMER_FUZZ_SEED", "1"))
ENV = {
    "STREAMER_JWT_SECRET": SECRET,
    "STREAMER_CLUSTER_KEY_ID": "test",
    "STREAMER_CLUSTER_SECRET": "a cluster secret for tests",
    "STREAMER_RATE_LIMIT": "0",
    "STREAMER_MAX_IN_FLIGHT": "100000",
}
CODES = {
    *("VALIDATION_ERROR", "INVALID_ACTION", "INVALID_MESSAGE", "NOT_FOUND", "UNAUTHORIZED", "FORBIDDEN"),
    *("RATE_LIMITED", "DUPLICATE_REQUEST", "PAYLOAD_TOO_LARGE", "CANCELLED", "TIMEOUT"),
}


@dataclass
class Fuzzer:
    """A client that sends anything; what it must not be told fails the test."""

    node: Process
    url: str
    socket: ClientConnection | None = None
    batches: int = 0
    sent: int = 0
    heard: Counter[str] = field(default_factory=Counter)  # by type, and of errors by code
    closes: Counter[int] = field(default_factory=Counter)
    warm_kib: int = 0
    spoken: Contract = field(default_factory=lambda: contract(()))

    async def batch(self, messages: list[Sent]) -> None:
        """Sends them, and waits until the node has answered what came after them."""
        if self.batches % OF_A_CONNECTION == 0:
            await self.leave()
        self.batches += 1
        left = list(messages)
        while left:
            left = await self._some(left)
        if self.batches == WARM:
            self.warm_kib = memory_kib(self.node.pid)

    async def _some(self, messages: list[Sent]) -> list[Sent]:
        """Those that could not be sent, because an earlier one was a reason to close."""
        socket = await self._open()
        done = 0
        try:
            for message in messages:
                await _send(socket, message)
                done += 1
                self.sent += 1
                await self._answered(socket)
        except ConnectionClosed:
            self.socket = None
            code = socket.close_code or 0
            self.closes[code] += 1
            assert code in _reasons(messages[done - 1]), (code, messages[done - 1])
        return messages[done:]

    async def _open(self) -> ClientConnection:
        if self.socket is None:
            headers = {"Authorization": f"Bearer {token()}"}
            offered = [Subprotocol("streamer.v1")]
            self.socket = await connect(self.url, additional_headers=headers, subprotocols=offered, proxy=None)
        return self.socket

    async def _answered(self, socket: ClientConnection) -> None:
        """Takes what comes until the answer to a ping, which comes after what was refused at once."""
        mark = self.sent
        await socket.send(orjson.dumps({"type": "ping", "id": mark}).decode())
        while True:
            frame = orjson.loads(await asyncio.wait_for(socket.recv(), PATIENT_S))
            self._judge(frame)
            if frame["type"] == "pong" and frame.get("id") == mark:
                return

    def _judge(self, frame: dict[str, Any]) -> None:
        fault = self.spoken.fault_in_received(frame)
        assert fault is None, fault
        if frame["type"] == "error":
            assert frame["error"]["code"] in CODES, frame
            self.heard[frame["error"]["code"]] += 1
        self.heard[frame["type"]] += 1

    async def leave(self) -> None:
        if self.socket is not None:
            await self.socket.close()
            self.socket = None


async def _send(socket: ClientConnection, message: Sent) -> None:
    if isinstance(message, tuple):
        await socket.send(message[0], text=True)
    else:
        await socket.send(message)


def _reasons(message: Sent) -> set[int]:
    """The close codes that this message may be answered by."""
    if isinstance(message, tuple):
        try:
            frame = orjson.loads(message[0].decode())
        except UnicodeDecodeError:
            return {Close.INVALID_TEXT}
        except orjson.JSONDecodeError:
            return set()
        return {Close.TOKEN_REJECTED} if isinstance(frame, dict) and frame.get("type") == "auth" else set()
    return set()


def memory_kib(pid: int) -> int:
    """What of the process is in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


async def started(group: Processes) -> Fuzzer:
    node = await group.started("app")
    await node.logged("node_ready")
    return Fuzzer(node, f"{(await node.url()).replace('http', 'ws', 1)}/ws")


@pytest.mark.timeout(600)
def test_whatever_a_client_sends_it_is_answered_in_the_protocols_words(tmp_path: Path) -> None:
    env = {**ENV, "STREAMER_STORE": f"sqlite:///{tmp_path / 'streamer.db'}"}
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        fuzzer = runner.run(started(runner.run(stack.enter_async_context(processes(tmp_path, env)))))

        @seed(SEED)
        @settings(
            max_examples=BATCHES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(frames, min_size=AT_ONCE, max_size=AT_ONCE))
        def fuzz(messages: list[Sent]) -> None:
            runner.run(fuzzer.batch(messages))

        try:
            fuzz()
            runner.run(fuzzer.leave())
            end_kib = memory_kib(fuzzer.node.pid)
            logged = fuzzer.node.events()
        finally:
            runner.run(stack.aclose())
    assert fuzzer.sent >= BATCHES * AT_ONCE
    assert fuzzer.heard["response"]
    assert fuzzer.heard["acknowledgment"]
    assert [event for event in logged if event["level"] in ("error", "critical")] == []
    assert fuzzer.node.stderr.read_text() == ""
    assert end_kib < fuzzer.warm_kib + MORE_KIB
