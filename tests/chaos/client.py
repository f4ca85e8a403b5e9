"""A client that comes back after every loss, and knows for each of its requests how much of it it has."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Any, Final

from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.chaos.errand import Errand, Order
from tests.support.ledger import Frame, Ledger
from tests.support.wire import WireClient

OPEN_S: Final = 10.0
"""For a handshake and its welcome; then another node is tried."""
SILENCE_S: Final = 5.0
"""After so long without a frame a ping is sent, and after as long again the socket is taken for dead."""
ANSWER_S: Final = 30.0
"""For the answer to a `resume`; then another node is tried."""
LONGEST_PAUSE_S: Final = 4.0
WINDOW: Final = {"min_ms": 0, "max_ms": 500}

Line = WireClient
Wish = tuple[Callable[[Line, Errand], Awaitable[None]], Errand]
"""What is to be said, as soon as there is a connection, about a request."""


class Tap(Ledger):
    """The ledger of the run, and a client who hears of each frame as it is noted."""

    def __init__(self, ledger: Ledger, hear: Callable[[Frame], None]) -> None:
        super().__init__(ledger.history, ledger.gone)
        self._hear = hear

    def received(self, connection: str, frame: Frame) -> None:
        super().received(connection, frame)
        self._hear(frame)


class Client:
    """One user of the service. Orders may be placed at any time; `run` is its life.

    A plain client, which cannot resume, sends everything again that it has no outcome of.
    """

    def __init__(self, name: str, tenant: str, url: str, ledger: Ledger, chance: Random, *, plain: bool) -> None:
        self.errands: dict[str, Errand] = {}
        self.visits = 0  # connections that were greeted
        self.refusals: Counter[str] = Counter()  # by code: those that were to be tried again
        self.troubles: list[str] = []  # what must not happen, beside what the errands know
        self.name = name
        self._tenant = tenant
        self._url = url
        self._tap = Tap(ledger, self._hear)
        self._chance = chance
        self._is_plain = plain
        self._tries = 0
        self._wishes: asyncio.Queue[Wish] = asyncio.Queue()
        self._welcome: Frame = {}  # of the newest connection
        self._identity: str | None = None  # the connection id that outlives sockets; None before the first welcome
        self._heard_at = 0.0
        self._resuming: asyncio.Future[Frame] | None = None  # the answer to the `resume` under way

    @property
    def is_settled(self) -> bool:
        return all(errand.is_settled for errand in self.errands.values())

    @property
    def open_errands(self) -> list[Errand]:
        return [errand for errand in self.errands.values() if errand.ended_at is None]

    def order(self, order: Order) -> None:
        errand = Errand(f"r{len(self.errands)}", order, gets_output=not self._is_plain)
        self.errands[errand.request_id] = errand
        self._wish(self._ask, errand)
        if order.cancel_after_s is not None:
            self._wish(self._cancel, errand, order.cancel_after_s)
        if order.repeat_after_s is not None:
            self._wish(self._repeat, errand, order.repeat_after_s)

    async def run(self) -> None:
        """Until it is cancelled."""
        failures = 0
        while True:
            try:
                async with asyncio.timeout(OPEN_S) as opening, self._line() as line:
                    opening.reschedule(None)
                    failures = 0
                    await self._visit(line)
            except (OSError, TimeoutError, WebSocketException, EOFError):
                failures += 1
            await asyncio.sleep(self._pause_s(failures))

    # --- one connection ---------------------------------------------------------------------------------------

    def _line(self) -> Line:
        self._tries += 1
        name = f"{self.name}.{self._tries}"
        return WireClient(self._url, self._tap, name, user=self.name, tenant=self._tenant, plain=self._is_plain)

    async def _visit(self, line: Line) -> None:
        self.visits += 1
        self._heard_at = asyncio.get_running_loop().time()
        for errand in self.errands.values():
            errand.cut_off()
        async with asyncio.TaskGroup() as group:
            aside = [group.create_task(self._talk(line)), group.create_task(self._mind_silence(line))]
            await line.closed()
            for task in aside:
                task.cancel()
        self._tap.lost(line.name)

    async def _talk(self, line: Line) -> None:
        if not self._is_plain and not await self._introduce(line):
            await line.cut()
            return
        for errand in self.open_errands:
            if self._is_plain or errand.acknowledged_at is None:
                await self._submit(line, errand)
        while True:
            say, errand = await self._wishes.get()
            await say(line, errand)

    async def _introduce(self, line: Line) -> bool:
        """Says who it was and what it waits for, until that was heeded. False where the node does not answer."""
        if self._identity is None:
            self._identity = self._welcome.get("connection_id")
            return True
        while (answer := await self._answer_to_resume(line)) is not None:
            if answer["type"] == "resumed":
                self._identity = answer["connection_id"]
                return True
            if not answer["error"]["retry"]["retryable"]:
                self.troubles.append(f"a resume was refused: {answer['error']}")
                self._identity = self._welcome["connection_id"]
            await asyncio.sleep(_after_s(answer))
        return False

    async def _answer_to_resume(self, line: Line) -> Frame | None:
        self._resuming = asyncio.get_running_loop().create_future()
        requests = [errand.seen() for errand in self.open_errands if errand.is_running]
        with suppress(ConnectionClosed):
            await line.resume(requests, connection_id=self._identity, n=self.visits)
        await asyncio.wait([self._resuming], timeout=ANSWER_S)
        return self._resuming.result() if self._resuming.done() else None

    async def _mind_silence(self, line: Line) -> None:
        is_asked = False
        while True:
            silent_s = asyncio.get_running_loop().time() - self._heard_at
            if silent_s >= SILENCE_S and is_asked:
                await line.cut()
            elif silent_s >= SILENCE_S:
                await _send(line, {"type": "ping"})
            is_asked = silent_s >= SILENCE_S
            await asyncio.sleep(SILENCE_S)

    # --- what it says about a request -------------------------------------------------------------------------

    def _wish(self, say: Callable[[Line, Errand], Awaitable[None]], errand: Errand, after_s: float = 0.0) -> None:
        asyncio.get_running_loop().call_later(after_s, self._wishes.put_nowait, (say, errand))

    async def _submit(self, line: Line, errand: Errand) -> None:
        errand.unanswered += 1
        await _send(line, errand.request())

    async def _ask(self, line: Line, errand: Errand) -> None:
        if errand.acknowledged_at is None and not errand.unanswered:
            await self._submit(line, errand)

    async def _repeat(self, line: Line, errand: Errand) -> None:
        """The same request once more, whatever became of it: no second job comes of it."""
        errand.replaying = errand.ended_at is not None
        await self._submit(line, errand)

    async def _cancel(self, line: Line, errand: Errand) -> None:
        if errand.ended_at is None and (errand.unanswered or errand.is_running):
            errand.cancel_sent = True
            await _send(line, {"type": "cancel", "request_id": errand.request_id})

    async def _ack(self, line: Line, errand: Errand) -> None:
        await _send(line, {"type": "ack", "request_id": errand.request_id})

    async def _catch_up(self, line: Line, errand: Errand) -> None:
        if not errand.is_running:
            return
        if self._is_plain:
            await self._submit(line, errand)
        else:
            await _send(line, {"type": "resume", "requests": [errand.seen()]})

    # --- what it hears ----------------------------------------------------------------------------------------

    def _hear(self, frame: Frame) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        kind, errand = frame["type"], self.errands.get(frame.get("request_id", ""))
        if kind == "welcome":
            self._welcome = frame
        elif errand is not None and kind == "error" and not frame["final"]:
            self._refused(errand, frame)
        elif errand is not None:
            self._told(errand, frame)
        elif kind in ("resumed", "error") and self._resuming is not None and not self._resuming.done():
            self._resuming.set_result(frame)
        elif kind == "error":
            self._refused_all(frame)

    def _told(self, errand: Errand, frame: Frame) -> None:
        was_open = errand.ended_at is None
        errand.hear(frame, self._heard_at)
        if was_open and errand.ended_at is not None and errand.order.options.get("durable"):
            self._wish(self._ack, errand)

    def _refused(self, errand: Errand, frame: Frame) -> None:
        """Asks again for what was refused: by the state of the request, as the refusal does not name the frame."""
        error: dict[str, Any] = frame["error"]
        was_submit = errand.unanswered > 0
        errand.unanswered = max(0, errand.unanswered - 1)
        self.refusals[error["code"]] += 1
        if not error["retry"]["retryable"]:
            is_unknown = errand.cancel_sent and errand.acknowledged_at is None and error["code"] == "NOT_FOUND"
            if not is_unknown:
                errand.troubles.append(f"refused for good: {error}")
        elif errand.acknowledged_at is None:
            self._wish(self._ask, errand, _after_s(frame))
        elif errand.is_running:
            self._wish(self._catch_up, errand, _after_s(frame))
        elif was_submit:
            errand.replaying = False
        elif errand.order.options.get("durable"):
            self._wish(self._ack, errand, _after_s(frame))

    def _refused_all(self, frame: Frame) -> None:
        """It names no request, so it is about a `resume`."""
        self.refusals[frame["error"]["code"]] += 1
        if not frame["error"]["retry"]["retryable"]:
            self.troubles.append(f"refused for good: {frame['error']}")
        for errand in self.open_errands:
            self._wish(self._catch_up, errand, _after_s(frame))

    def _pause_s(self, failures: int) -> float:
        window = self._welcome.get("reconnect", WINDOW)
        if not failures:
            return self._chance.uniform(window["min_ms"], window["max_ms"]) / 1000
        return self._chance.uniform(0, min(LONGEST_PAUSE_S, 0.25 * 2 ** min(failures, 10)))


async def _send(line: Line, frame: Frame) -> None:
    with suppress(ConnectionClosed):  # the visit is about to end
        await line.send(frame)


def _after_s(refusal: Frame) -> float:
    return float(refusal["error"]["retry"].get("after_ms", 500)) / 1000
