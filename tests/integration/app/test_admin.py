"""What operators see and do over HTTP, across tenants; and who hears nothing of it."""

import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from streamer.cluster.registry import WORKER
from streamer.errors import StoreUnavailable
from streamer.jobs.model import Failure, Job
from tests.integration.app.house import House, token
from tests.integration.app.http_caller import Answer, call
from tests.support.until import until

SEES = token("olga", "ops", ("admin:read",))
DOES = token("olga", "ops", ("admin:write",))
OOPS = Failure("OOPS", "It broke.")


async def admin(node: House, path: str, bearer: str = SEES, method: str = "GET") -> Answer:
    return await call(node, method, f"/v1/admin/{path}", bearer=bearer)


async def submitted(node: House, request_id: str, tenant: str = "t1", **fields: Any) -> str:
    """The id of a job of ann of that tenant."""
    client = await node.client(token("ann", tenant))
    answer = await client.ask(action="queued", id=request_id, **fields)
    return str(answer["job_id"])


async def dead(node: House, request_id: str, tenant: str = "t1") -> Job:
    job = await node.claimed(await submitted(node, request_id, tenant))
    return await node.requests.fail(job, OOPS, 2)


async def test_an_overview_shows_queues_by_tenant(node: House) -> None:
    await submitted(node, "a")
    await submitted(node, "b", "t2")
    await submitted(node, "c", "t2")
    await submitted(node, "later", options={"delay_seconds": 3_600})
    await dead(node, "d")
    await node.claimed(await submitted(node, "e"))
    answer = await admin(node, "overview")
    queue = answer.body["queues"][0]
    assert {name: queue[name] for name in ("queue", "waiting", "running", "delayed", "dead", "is_exact")} == {
        "queue": "default", "waiting": 3, "running": 1, "delayed": 1, "dead": 1, "is_exact": True,
    }  # fmt: skip
    assert [(each["tenant"], each["waiting"]) for each in queue["tenants"]] == [("t1", 1), ("t2", 2)]
    assert queue["oldest_age_s"] == max(each["oldest_age_s"] for each in queue["tenants"])


async def test_an_overview_shows_who_lives_and_what_they_do(node: House) -> None:
    info = {
        "endpoint": "http://w", "version": "9", "queues": ["default", "slow"], "slots": 4, "free": 1, "worker": "h:1",
    }  # fmt: skip
    await node.store.nodes.beat(WORKER, "w1", info)
    await node.client()

    async def shown() -> Any:
        body = (await admin(node, "overview")).body
        return body if body["nodes"] and body["nodes"][0]["connections"] == 1 else None

    body = await until(shown)
    assert [queue["queue"] for queue in body["queues"]] == ["default", "slow"]
    assert [each["node_id"] for each in body["nodes"]] == [node.node.node_id]
    [worker] = body["workers"]
    assert worker.pop("beat_age_s") >= 0
    assert worker == {
        "worker_id": "w1", "process": "h:1", "endpoint": "http://w", "version": "9", "draining": False,
        "queues": ["default", "slow"], "slots": 4, "running": 3,
    }  # fmt: skip


async def test_jobs_of_all_tenants_are_listed_by_where_they_stand(node: House) -> None:
    for number in range(3):
        await submitted(node, f"r{number}", f"t{number}")
    running = await node.claimed(await submitted(node, "busy"))
    first = (await admin(node, "jobs?status=waiting&limit=2")).body
    rest = (await admin(node, f"jobs?status=waiting&limit=2&cursor={first['cursor']}")).body
    assert {job["request_id"] for job in first["jobs"] + rest["jobs"]} == {"r0", "r1", "r2"}
    assert rest["cursor"] is None
    [job] = (await admin(node, "jobs")).body["jobs"]
    assert (job["job_id"], job["worker"], job["status"]) == (running.job_id, "worker1", "PROCESSING")
    [of_t2] = (await admin(node, "jobs?status=waiting&tenant=t2&action=queued&queue=default")).body["jobs"]
    assert (of_t2["tenant"], of_t2["user"], of_t2["worker"]) == ("t2", "ann", None)


async def test_one_job_is_shown_whosever_it_is(node: House) -> None:
    job = await dead(node, "d", "t2")
    before = time.time()
    shown = (await admin(node, f"jobs/{job.job_id}")).body
    assert (shown["status"], shown["error"]["code"], shown["tenant"]) == ("FAILED", "OOPS", "t2")
    assert shown["created_at"] <= shown["started_at"] <= shown["ended_at"] <= before
    assert (shown["ready_at"], shown["redriven_as"]) == (None, None)


async def test_a_dead_letter_is_run_again(node: House) -> None:
    job = await dead(node, "d", "t2")
    answer = await admin(node, f"jobs/{job.job_id}/redrive", DOES, "POST")
    assert answer.status == 200
    again = await node.requests.get(answer.body["job_id"])
    assert again is not None
    assert (again.tenant, again.redrive_of) == ("t2", job.job_id)
    assert (await admin(node, f"jobs/{job.job_id}")).body["redriven_as"] == again.job_id
    assert (await admin(node, "jobs?status=dead")).body["jobs"] == []


async def test_a_dead_letter_is_deleted(node: House) -> None:
    job = await dead(node, "d", "t2")
    answer = await admin(node, f"jobs/{job.job_id}", DOES, "DELETE")
    assert (answer.status, answer.body) == (204, None)
    assert await node.requests.get(job.job_id) is None


async def test_what_waits_is_cancelled_and_its_client_hears_of_it(node: House) -> None:
    client = await node.client(token("ann", "t2"))
    job_id = (await client.ask(action="queued", id="w"))["job_id"]
    answer = await admin(node, f"jobs/{job_id}/cancel", DOES, "POST")
    assert answer.body == {"status": "CANCELLED"}
    outcome = await client.next("error")
    assert (outcome["request_id"], outcome["error"]["code"]) == ("w", "CANCELLED")


async def test_what_runs_is_being_cancelled(node: House) -> None:
    job = await node.claimed(await submitted(node, "r"))
    answer = await admin(node, f"jobs/{job.job_id}/cancel", DOES, "POST")
    assert answer.body == {"status": "CANCELLING"}
    row = await node.row("r")
    assert row.cancel_requested_ms is not None


async def test_what_has_ended_stays_as_it_is(node: House) -> None:
    job = await node.completed(await submitted(node, "r"))
    answer = await admin(node, f"jobs/{job.job_id}/cancel", DOES, "POST")
    assert answer.body == {"status": "COMPLETED"}
    assert (await admin(node, f"jobs/{job.job_id}", DOES, "DELETE")).code == "NOT_FOUND"
    assert (await admin(node, f"jobs/{job.job_id}/redrive", DOES, "POST")).code == "NOT_FOUND"


@pytest.mark.parametrize("path", ["", "/cancel", "/redrive"])
async def test_what_there_is_not_is_not_found(node: House, path: str) -> None:
    method, bearer = ("POST", DOES) if path else ("GET", SEES)
    answer = await admin(node, f"jobs/{'0' * 32}{path}", bearer, method)
    assert (answer.status, answer.code) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "path",
    [
        "jobs?status=sleeping", "jobs?queue=a%23b", "jobs?limit=0", "jobs?limit=1001", "jobs?cursor=nonsense",
        "jobs?cursor=WyJhIl0=", "jobs?tenant=" + "x" * 257, "jobs/nonsense", "connections", "connections?tenant=",
        "connections?tenant=" + "x" * 257,
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_is_said(node: House, path: str) -> None:
    answer = await admin(node, path)
    assert (answer.status, answer.code) == (400, "INVALID_MESSAGE")


async def test_connections_are_shown_by_tenant_and_user(node: House) -> None:
    await node.client(token("ann", "t2"), user_agent_header="a test")
    await node.client(token("bob", "t2"))

    async def shown(query: str) -> Any:
        return {row["user"]: row for row in (await admin(node, f"connections?{query}")).body["connections"]}

    async def both() -> Any:
        return len(await shown("tenant=t2")) == 2

    await until(both)
    [ann] = (await shown("tenant=t2&user=ann")).values()
    assert (ann["node_id"], ann["tenant"], ann["user_agent"]) == (node.node.node_id, "t2", "a test")
    assert ann["source_ip"] == "127.0.0.1"
    assert await shown("tenant=t3") == {}


READS = ("overview", "history", "jobs", f"jobs/{'0' * 32}", "connections?tenant=t1")
WRITES = (("POST", "/redrive"), ("POST", "/cancel"), ("DELETE", ""))


@pytest.mark.parametrize("permissions", [(), ("admin:write",), ("admin",), ("presence:read", "requests:watch")])
async def test_who_may_not_read_sees_nothing(node: House, permissions: tuple[str, ...]) -> None:
    for path in (*READS, "jobs?limit=nonsense"):
        answer = await admin(node, path, token("eve", "t1", permissions))
        assert (answer.status, answer.code) == (403, "FORBIDDEN")
        assert answer.body["error"]["message"] == "This needs the permission admin:read."


@pytest.mark.parametrize("permissions", [(), ("admin:read",), ("admin",)])
async def test_who_may_not_write_changes_nothing(node: House, permissions: tuple[str, ...]) -> None:
    job = await dead(node, "d")
    for method, path in WRITES:
        answer = await admin(node, f"jobs/{job.job_id}{path}", token("ann", "t1", permissions), method)
        assert (answer.status, answer.code) == (403, "FORBIDDEN")
    assert await node.row("d") == job


async def test_who_may_do_anything_may_do_this_too(node: House) -> None:
    job = await dead(node, "d", "t2")
    anything = token("root", "t1", ("*",))
    for path in READS:
        assert (await admin(node, path, anything)).status in (200, 404)
    assert (await admin(node, f"jobs/{job.job_id}/redrive", anything, "POST")).status == 200


async def test_a_page_of_a_stranger_operates_nothing(node: House) -> None:
    job = await dead(node, "d")
    for method, path in WRITES:
        at = f"/v1/admin/jobs/{job.job_id}{path}"
        answer = await call(node, method, at, bearer=DOES, Origin="https://elsewhere.example")
        assert answer.status == 403
    assert await node.row("d") == job


async def test_what_an_operator_does_is_audited(node: House) -> None:
    letter = await dead(node, "d", "t2")
    waiting = await submitted(node, "w", "t2")
    with capture_logs() as lines:
        again = (await admin(node, f"jobs/{letter.job_id}/redrive", DOES, "POST")).body["job_id"]
        await admin(node, f"jobs/{waiting}/cancel", DOES, "POST")
        await admin(node, f"jobs/{letter.job_id}", DOES, "DELETE")
    whose = {"user": "olga", "tenant": "ops", "owner": "ann", "owner_tenant": "t2", "action": "queued"}
    audited = {line["verb"]: line for line in lines if line["event"] == "audit"}
    assert {**whose, "job_id": again, "redrive_of": letter.job_id}.items() <= audited["redrive"].items()
    assert {**whose, "job_id": waiting, "result": "CANCELLED"}.items() <= audited["cancel"].items()
    assert {**whose, "job_id": letter.job_id, "result": "FAILED"}.items() <= audited["purge"].items()


async def test_a_store_that_is_away_is_told(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(node.node.operator.store.admin, "survey", away)
    answer = await admin(node, "overview")
    assert (answer.status, answer.code) == (503, "STORAGE_ERROR")
