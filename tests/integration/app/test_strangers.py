"""What a stranger hears of somebody's request: what is said of one that never existed, byte for byte.

Tried are all frames that name a request, by everybody to whom it does not belong, whatever has become of it.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, get_args

import orjson
import pytest

from app.connection import Connection
from app.watch import PERMISSION
from streamer.jobs import lifecycle
from streamer.jobs.model import Failure, Job, Progress
from streamer.protocol import codec, messages
from streamer.protocol.codes import Close
from streamer.store.base import now_ms
from streamer.store.revocations import Revocation
from tests.integration.app.actions import gates, runs
from tests.integration.app.house import Client, House, house, token
from tests.integration.app.test_jobs import job_id
from tests.support.until import until

Frame = dict[str, Any]
State = Callable[[House, Client, str], Awaitable[object]]
"""Has the owner ask for something by this id, and a worker do the rest."""

FRAMES: dict[str, Callable[[str], Frame]] = {
    "cancel": lambda name: {"type": "cancel", "request_id": name},
    "resume": lambda name: {"type": "resume", "requests": [{"request_id": name, "attempt": 1, "seq": 1, "chunks": 1}]},
    "subscribe": lambda name: {"type": "subscribe", "job_id": name},
    "unsubscribe": lambda name: {"type": "unsubscribe", "job_id": name},
    "ack": lambda name: {"type": "ack", "request_id": name},
    "queued": lambda name: {"action": "queued", "id": name, "payload": {"of": "a stranger"}},
    "durable": lambda name: {"action": "queued", "id": name, "options": {"durable": True}},
    "inline": lambda name: {"action": "who", "id": name},
}
REFUSED = {"cancel", "resume", "subscribe"}
WATCHING = {"subscribe", "unsubscribe"}
STRANGERS = {
    "another user": ("bob", "t1"),
    "the same name in another tenant": ("ann", "t2"),
    "another tenant, and may watch there": ("bob", "t2", PERMISSION),
}
OOPS = Failure("PROCESSING_FAILED", "The action failed.")
AN_HOUR_MS = 3_600_000


async def waiting(_: House, owner: Client, name: str) -> None:
    await owner.send(action="queued", id=name, options={"durable": True})
    await owner.next("acknowledgment")


async def claimed(node: House, owner: Client, name: str) -> Job:
    await waiting(node, owner, name)
    return await node.claimed(job_id(name))


async def running(node: House, owner: Client, name: str) -> None:
    job = await claimed(node, owner, name)
    await node.store_chunks(job, range(2))
    await node.requests.save_progress(job, Progress(20.0), 3)


async def retrying(node: House, owner: Client, name: str) -> None:
    job = await claimed(node, owner, name)
    await node.requests.retry(job, OOPS, 2, now_ms() + AN_HOUR_MS)


async def completed(node: House, owner: Client, name: str) -> None:
    await node.requests.complete(await claimed(node, owner, name), b'"the secret"', 2)


async def failed(node: House, owner: Client, name: str) -> None:
    await node.requests.fail(await claimed(node, owner, name), OOPS, 2)


async def cancelled(node: House, owner: Client, name: str) -> None:
    await waiting(node, owner, name)
    await node.requests.cancel("t1", "ann", name)


async def expired(node: House, owner: Client, name: str) -> None:
    """Its row is there, and does not count any more."""
    job = await claimed(node, owner, name)
    ended = lifecycle.complete(job, b'"the secret"', 2, now_ms(), -1_000)
    await node.requests.update_status(job.job_id, ended)
    assert await node.requests.get(job.job_id) is None


async def running_inline(_: House, owner: Client, name: str) -> None:
    await owner.send(action="wait", id=name, payload={"gate": name})
    await until(lambda: runs[name])


async def answered_inline(_: House, owner: Client, name: str) -> None:
    await owner.send(action="who", id=name)
    assert (await owner.next("response"))["data"]["user"] == "ann"


THERE: dict[str, State] = {each.__name__: each for each in (waiting, running, retrying, completed, failed, cancelled)}
NOT_THERE: dict[str, State] = {each.__name__: each for each in (expired, running_inline, answered_inline)}
"""Without a row that anybody could watch."""
STATES = {**THERE, **NOT_THERE}


@dataclass
class Stranger:
    """Somebody to whom the owner's requests do not belong."""

    client: Client
    connection: Connection
    may_have: set[str] = field(default_factory=set)  # job ids: what it asked for itself, and what it watches

    async def hears(self, kind: str, name: str) -> list[str]:
        """All that comes of a frame, as it is on the wire, but for the id, the job's id, and the time."""
        principal = self.connection.principal
        own = job_id(name, principal.user, principal.tenant)
        self.may_have.add(own)
        texts = [text.replace(own, "JOB").replace(name, "NAME") for text in await self._answer(FRAMES[kind](name))]
        return [re.sub(r'"timestamp":[\d.]+', '"timestamp":0', text) for text in texts]

    async def watches(self, job: str) -> None:
        """From now on, and has heard all that there is of it."""
        await self._answer(FRAMES["subscribe"](job))
        await until(lambda: not any(tracker.is_served for tracker in self.connection.trackers.values()))
        await self._up_to_pong()
        self.may_have.add(job)

    async def _answer(self, frame: Frame) -> list[str]:
        await self.client.send(**frame)
        texts = await self._up_to_pong()
        await until(lambda: not self.connection.in_flight)
        return texts + await self._up_to_pong()

    async def _up_to_pong(self) -> list[str]:
        await self.client.send(type="ping")
        texts: list[str] = []
        while not (text := str(await self.client.socket.recv())).startswith('{"type":"pong"'):
            texts.append(text)
        return texts


async def comes_in(node: House, user: str, tenant: str, *permissions: str, v1: bool) -> Stranger:
    client = await node.client(token(user, tenant, permissions), v1=v1)
    return Stranger(client, await until(lambda: of_user(node, user, tenant)))


def of_user(node: House, user: str, tenant: str) -> Connection | None:
    names = ((each.principal.user, each.principal.tenant, each) for each in node.node.hub)
    return next((each for *whose, each in names if whose == [user, tenant]), None)


async def stored(node: House, name: str) -> tuple[object, ...]:
    """All that is kept of the owner's request."""
    job = job_id(name)
    inbox = await node.store.inbox.list("t1", "ann", 1_000)
    return await node.requests.get(job), await node.store.subscriptions.list_by_request(job), job in inbox


async def leaks(node: House, owner: Client, other: Stranger, kind: str, states: Mapping[str, State]) -> list[Any]:
    """What this kind of frame tells of the owner's requests in these states, and what it changes about them."""
    of_nothing = await other.hears(kind, f"{kind}-nothing")
    assert ('"code":"NOT_FOUND"' in "".join(of_nothing)) is (kind in REFUSED)
    found: list[Any] = []
    for state, make in states.items():
        name = f"{kind}-{state}"
        await make(node, owner, name)
        before = await stored(node, name)
        heard = {named: await other.hears(kind, named) for named in (name, job_id(name))}
        found += [(name, named, texts) for named, texts in heard.items() if texts != of_nothing]
        if (after := await stored(node, name)) != before:
            found.append((name, before, after))
    return found


async def nothing_stays_behind(node: House, other: Stranger) -> None:
    principal = other.connection.principal
    assert other.connection.trackers.keys() <= other.may_have
    assert set(await node.store.inbox.list(principal.tenant, principal.user, 1_000)) <= other.may_have


async def its_own_answer_comes(owner: Client, count: int) -> None:
    """What the owner has running inline goes on, whatever a stranger said of it."""
    for name in runs:
        gates[name].set()
    for _ in range(count):
        await owner.next("response")


def test_every_frame_that_names_a_request_is_tried() -> None:
    tried = {type(codec.parse(orjson.dumps(frame("r1")).decode())) for frame in FRAMES.values()}
    assert tried | {messages.Ping, messages.Auth} == set(get_args(messages.Message))


@pytest.mark.parametrize("v1", [True, False], ids=["streamer.v1", "plain"])
@pytest.mark.parametrize("who", STRANGERS)
async def test_somebody_elses_request_is_like_one_that_never_existed(node: House, who: str, v1: bool) -> None:
    owner = await node.client(v1=True)
    other = await comes_in(node, *STRANGERS[who], v1=v1)
    for kind in FRAMES:
        assert not await leaks(node, owner, other, kind, STATES)
    await nothing_stays_behind(node, other)
    await its_own_answer_comes(owner, len(FRAMES))


@pytest.mark.parametrize("v1", [True, False], ids=["streamer.v1", "plain"])
async def test_who_may_watch_may_do_no_more(node: House, v1: bool) -> None:
    owner = await node.client(v1=True)
    other = await comes_in(node, "bob", "t1", PERMISSION, v1=v1)

    async def watched(make: State, node: House, owner: Client, name: str) -> None:
        await make(node, owner, name)
        await other.watches(job_id(name))

    states = {name: partial(watched, make) for name, make in THERE.items()}
    for kind in [kind for kind in FRAMES if kind not in WATCHING]:
        assert not await leaks(node, owner, other, kind, states)
    assert not await leaks(node, owner, other, "unsubscribe", STATES)
    assert not await leaks(node, owner, other, "subscribe", NOT_THERE)
    await nothing_stays_behind(node, other)


async def expires(_: House, late: Connection) -> None:
    await until(lambda: late.outbox.closed or late.is_expired)


async def is_revoked(node: House, late: Connection) -> None:
    principal = late.principal
    now = now_ms()
    await node.store.revocations.revoke(
        Revocation(
            tenant=principal.tenant, user=None, token_id=principal.token_id, revoked_ms=now, expires_ms=now + AN_HOUR_MS
        )
    )
    await until(lambda: late.outbox.closed)


@dataclass(frozen=True)
class End:
    """How a token ends while its socket is there. `code` None: in its grace, the socket is still open."""

    lasts_s: float
    grace_s: float
    comes: Callable[[House, Connection], Awaitable[None]]
    code: Close | None


ENDS = {
    "expired": End(3, 0.0, expires, Close.TOKEN_EXPIRED),
    "expired, in its grace": End(3, 3_600.0, expires, None),
    "revoked": End(3_600, 0.0, is_revoked, Close.TOKEN_REJECTED),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
async def test_whose_token_has_ended_is_not_heard_any_more(tmp_path: Path, end: End) -> None:
    """Not even by its own requests: this one does not heed the close, and goes on."""
    async with house(tmp_path, token_grace_s=end.grace_s) as node:
        owner = await node.client(v1=True)
        late = await node.client(token(expires_in_s=end.lasts_s), v1=True)
        late.socket.transport.pause_reading()
        names = [f"{kind}-{state}" for kind in FRAMES for state in THERE]
        for name in names:
            await THERE[name.partition("-")[2]](node, owner, name)
        before = [await stored(node, name) for name in names]
        connection = node.node.hub.get(late.connection_id)
        assert connection is not None
        await end.comes(node, connection)
        for name in names:
            frame = FRAMES[name.partition("-")[0]]
            for named in (name, job_id(name)):
                await late.send(**frame(named))
        late.socket.transport.resume_reading()
        await is_told_of_the_end_alone(late, end, 2 * len(names))
        await until(lambda: end.code is None or node.node.hub.get(late.connection_id) is None)
        assert [await stored(node, name) for name in names] == before


async def is_told_of_the_end_alone(late: Client, end: End, asked: int) -> None:
    if end.code is not None:
        assert {frame["type"] for frame in await late.rest()} <= {"token_expiring"}
        assert await late.closed() == end.code
        return
    assert (await late.next())["type"] == "token_expiring"
    refusals = [(each["type"], each["error"]["code"], each["final"]) for each in await late.take(asked)]
    assert set(refusals) == {("error", "UNAUTHORIZED", False)}
    assert await late.is_silent()
