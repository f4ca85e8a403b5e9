"""An action that runs inline on a node and starts jobs."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from streamer.actions import action
from streamer.context import Context
from streamer.jobs import ids
from tests.integration.app.house import House, house


@action("start", mode="inline")
async def start(ctx: Context, payload: dict[str, Any]) -> dict[str, str]:
    submitted = await ctx.submit("echo_async", payload, priority="low")
    return {"request_id": submitted.request_id, "job_id": submitted.job_id}


@action("start_in_a_thread", mode="inline")
def start_in_a_thread(ctx: Context, payload: dict[str, Any]) -> dict[str, str]:
    submitted = ctx.submit("echo_async", payload)
    return {"request_id": submitted.request_id, "job_id": submitted.job_id}


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, actions=(__name__,)) as opened:
        yield opened


@pytest.mark.parametrize("name", ["start", "start_in_a_thread"])
async def test_the_job_is_stored_when_the_answer_comes_and_can_be_resumed(node: House, name: str) -> None:
    client = await node.client(v1=True)
    answer = await client.ask(action=name, id="r1", payload={"n": 1})
    submitted = answer["data"]
    row = await node.requests.get(submitted["job_id"])
    assert row is not None
    assert (row.tenant, row.user, row.client_id) == ("t1", "ann", f"{ids.job_id('t1', 'ann', 'r1')}.1")
    resumed = await client.resume(submitted["request_id"])
    assert [each["job_id"] for each in resumed["requests"]] == [submitted["job_id"]]


async def test_what_a_handler_may_not_start_is_what_its_client_is_told(node: House) -> None:
    client = await node.client()
    answer = await client.ask(action="start", id="r1", payload={"duration_s": "long"})
    assert (answer["type"], answer["error"]["code"]) == ("error", "VALIDATION_ERROR")
