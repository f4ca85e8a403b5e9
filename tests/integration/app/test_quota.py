"""A tenant that has as many jobs waiting as it may."""

from pathlib import Path

from tests.integration.app.house import house, token


async def test_a_tenant_over_its_quota_is_refused_and_nobody_else(tmp_path: Path) -> None:
    async with house(tmp_path, max_queued_per_tenant=2) as node:
        client = await node.client()
        for number in range(2):
            assert (await client.ask(action="queued", id=f"r{number}"))["type"] == "acknowledgment"
        refusal = await client.ask(action="queued", id="r2")
        assert (refusal["type"], refusal["final"], refusal["request_id"]) == ("error", False, "r2")
        assert refusal["error"]["code"] == "RATE_LIMITED"
        assert "At most 2 jobs of a tenant" in refusal["error"]["message"]
        assert refusal["error"]["retry"] == {"retryable": True, "after_ms": 1_000}
        assert (await client.ask(action="queued", id="r0"))["type"] == "acknowledgment"
        stranger = await node.client(token("bob", "t2"))
        assert (await stranger.ask(action="queued", id="r0"))["type"] == "acknowledgment"
        assert (await client.ask(action="echo", id="e"))["type"] == "response"


async def test_what_is_started_makes_room(tmp_path: Path) -> None:
    async with house(tmp_path, max_queued_per_tenant=1) as node:
        client = await node.client()
        acknowledgment = await client.ask(action="queued", id="r0")
        await node.claimed(acknowledgment["job_id"])
        node.node.dispatch._submits._quota._tallies.clear()  # as if a second had passed
        assert (await client.ask(action="queued", id="r1"))["type"] == "acknowledgment"
