"""Outcomes that wait for their user, across devices; a worker's part is done by hand."""

import asyncio
from typing import Any

import pytest

from streamer.errors import StoreUnavailable
from tests.integration.app.house import Client, House, token
from tests.integration.app.test_jobs import job_id
from tests.support.until import until

DURABLE = {"durable": True}


async def submit(client: Client, request_id: str, **options: Any) -> None:
    answer = await client.ask(action="queued", id=request_id, options={**DURABLE, **options})
    assert answer["type"] == "acknowledgment"


async def offered(node: House, bearer: str | None = None) -> list[str]:
    client = await node.client(bearer, v1=True)
    return sorted(each["request_id"] for each in client.welcome["inbox"])


async def is_off(node: House, request_id: str) -> bool:
    return job_id(request_id) not in await node.store.inbox.list("t1", "ann", 10)


async def test_what_ended_while_the_user_was_away_is_offered_on_any_device(node: House) -> None:
    phone = await node.client(v1=True)
    assert phone.welcome["inbox"] == []
    await submit(phone, "r1")
    await phone.socket.close()
    await node.completed(job_id("r1"), b'"kept"')

    laptop = await node.client(v1=True)
    assert laptop.welcome["inbox"] == [{"request_id": "r1", "job_id": job_id("r1"), "status": "COMPLETED"}]
    await laptop.resume("r1")
    assert (await laptop.next("complete"))["result"] == "kept"
    await laptop.send(type="ack", request_id="r1")
    await until(lambda: is_off(node, "r1"))
    assert await offered(node) == []


async def test_only_ones_own_durable_and_ended_requests_are_offered(node: House) -> None:
    client = await node.client(v1=True)
    for name in ("done", "running", "waiting"):
        await submit(client, name)
    await client.ask(action="queued", id="fleeting")
    for name in ("done", "fleeting"):
        await node.completed(job_id(name))
    await node.claimed(job_id("running"))
    await node.store.inbox.add("t1", "ann", job_id("never-stored"))
    assert await offered(node) == ["done"]
    assert await offered(node, token("bob")) == []
    assert await offered(node, token("ann", "t2")) == []


async def test_a_durable_request_is_queued_even_where_its_action_is_quick(node: House) -> None:
    client = await node.client(v1=True)
    answer = await client.ask(action="echo", id="r1", options=DURABLE)
    assert answer["type"] == "acknowledgment"
    assert (await node.row("r1")).durable


async def test_an_ack_may_be_repeated_and_is_not_answered(node: House) -> None:
    client = await node.client(v1=True)
    await submit(client, "r1")
    for _ in range(2):
        await client.send(type="ack", request_id="r1")
    await client.send(type="ack", request_id="never-sent")
    assert await client.is_silent()
    await until(lambda: is_off(node, "r1"))


async def test_nobody_takes_anything_off_the_inbox_of_somebody_else(node: House) -> None:
    ann = await node.client(v1=True)
    await submit(ann, "r1")
    bob = await node.client(token("bob"))
    await bob.send(type="ack", request_id="r1")
    await bob.ask(type="cancel", request_id="r1")  # answered after the ack was
    assert not await is_off(node, "r1")


async def test_an_ack_that_is_not_stored_is_refused(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> Any:
        raise StoreUnavailable

    client = await node.client(v1=True)
    monkeypatch.setattr(node.node.inboxes._inbox, "remove", away)
    refused = await client.ask(type="ack", request_id="r1")
    assert (refused["request_id"], refused["error"]["code"], refused["final"]) == ("r1", "STORAGE_ERROR", False)


@pytest.mark.parametrize("is_late", [True, False])
async def test_a_client_is_greeted_although_its_inbox_cannot_be_read(
    node: House, monkeypatch: pytest.MonkeyPatch, is_late: bool
) -> None:
    async def fails(*_: Any) -> Any:
        if is_late:
            await asyncio.Event().wait()
        raise StoreUnavailable

    monkeypatch.setattr(node.node.inboxes._inbox, "list", fails)
    monkeypatch.setattr(node.node.inboxes, "_read_s", 0.01)
    client = await node.client(v1=True)
    assert "inbox" not in client.welcome
    assert (await client.ask(action="echo"))["type"] == "response"


async def test_a_plain_client_is_not_kept_waiting_for_it(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: Any) -> Any:
        raise AssertionError("nobody asked for it")

    monkeypatch.setattr(node.node.inboxes, "offered", never)
    client = await node.client()
    assert (await client.ask(action="echo"))["type"] == "response"


async def test_a_hundred_are_offered_and_no_more(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.inbox.MAX_OFFERED", 3)
    client = await node.client(v1=True)
    for number in range(5):
        await submit(client, f"r{number}")
        await client.ask(type="cancel", request_id=f"r{number}")
    first = await offered(node)
    assert len(first) == 3
    for name in first:
        await client.send(type="ack", request_id=name)
    await until(lambda: is_off(node, first[-1]))
    await until(lambda: _left(node, 2))
    assert set(await offered(node)).isdisjoint(first)


async def _left(node: House, count: int) -> bool:
    return len(await node.store.inbox.list("t1", "ann", 10)) == count


async def test_a_client_that_goes_while_it_is_greeted_leaves_its_seat(
    node: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(node.node.inboxes, "offered", broken)
    with pytest.raises(Exception):  # noqa: B017, PT011  # however the server says that it failed
        await node.client(v1=True)
    assert not node.node.seats._taken
