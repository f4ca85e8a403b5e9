"""What a node writes of who did what to whose request."""

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.exceptions import InvalidStatus

from app.watch import PERMISSION
from tests.integration.app.house import House, token
from tests.support.until import until


class Audited:
    """The events so far."""

    def __init__(self, lines: list[Any]) -> None:
        self._lines = lines

    def __call__(self, verb: str) -> list[dict[str, Any]]:
        return [line for line in self._lines if line["event"] == "audit" and line["verb"] == verb]

    async def one(self, verb: str) -> dict[str, Any]:
        """The only one of this verb, without what all events have; a caller's token has an id."""
        (line,) = await until(lambda: self(verb))
        assert "user" not in line or len(line.pop("token_id")) >= 16
        return {name: value for name, value in line.items() if name not in ("event", "log_level", "verb")}

    def __str__(self) -> str:
        return str(self._lines)


@pytest.fixture
def audited() -> Iterator[Audited]:
    with capture_logs() as lines:
        yield Audited(lines)


async def test_a_submit_and_a_repeat_of_it(node: House, audited: Audited) -> None:
    client = await node.client()
    payload = {"password": "hunter2"}
    answers = [await client.ask(action="queued", id="r1", payload=payload) for _ in range(2)]
    created, joined = audited("submit")
    about = {"user": "ann", "tenant": "t1", "action": "queued", "request_id": "r1", "job_id": answers[0]["job_id"]}
    assert about.items() <= created.items()
    assert (created["result"], joined["result"]) == ("created", "joined")
    assert "hunter2" not in str(audited)


async def test_a_cancel_of_a_job(node: House, audited: Audited) -> None:
    client = await node.client()
    answer = await client.ask(action="queued", id="r1")
    await client.send(type="cancel", request_id="r1")
    await client.next("error")
    assert await audited.one("cancel") == {
        "user": "ann",
        "tenant": "t1",
        "result": "CANCELLED",
        "request_id": "r1",
        "job_id": answer["job_id"],
    }


async def test_a_cancel_of_an_inline_run(node: House, audited: Audited) -> None:
    client = await node.client()
    await client.send(action="wait", id="r1", payload={"gate": "never"})
    await client.send(type="cancel", request_id="r1")
    await client.next("error")
    assert (await audited.one("cancel"))["result"] == "cancelling"


async def test_a_watch_says_whose_job_it_is(node: House, audited: Audited) -> None:
    job_id = (await (await node.client()).ask(action="queued", id="r1"))["job_id"]
    watcher = await node.client(token("bob", "t1", (PERMISSION,)), v1=True)
    await watcher.send(type="subscribe", job_id=job_id)
    await watcher.next("subscribed")
    assert await audited.one("watch") == {
        "user": "bob",
        "tenant": "t1",
        "result": "PENDING",
        "job_id": job_id,
        "owner": "ann",
    }


@pytest.mark.parametrize(("user", "tenant"), [("bob", "t1"), ("ann", "t2")])
async def test_a_stranger_who_wants_to_watch(node: House, audited: Audited, user: str, tenant: str) -> None:
    job_id = (await (await node.client()).ask(action="queued", id="r1"))["job_id"]
    stranger = await node.client(token(user, tenant))
    assert (await stranger.ask(type="subscribe", job_id=job_id))["error"]["code"] == "NOT_FOUND"
    assert await audited.one("refused") == {
        "user": user,
        "tenant": tenant,
        "result": "NOT_FOUND",
        "frame": "subscribe",
        "job_id": job_id,
    }


async def test_a_request_without_the_permission(node: House, audited: Audited) -> None:
    client = await node.client()
    await client.ask(action="secret", id="r1")
    assert await audited.one("refused") == {
        "user": "ann",
        "tenant": "t1",
        "result": "FORBIDDEN",
        "frame": "request",
        "action": "secret",
        "request_id": "r1",
    }


async def test_a_handshake_with_a_bad_token(node: House, audited: Audited) -> None:
    with pytest.raises(InvalidStatus):
        await node.client("no.such.token")
    assert await audited.one("refused") == {
        "result": "UNAUTHORIZED",
        "frame": "handshake",
        "source_ip": "127.0.0.1",
    }
    assert "no.such.token" not in str(audited)
