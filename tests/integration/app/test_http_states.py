"""What is stored of requests, over HTTP: state, list and cancel."""

import asyncio
from typing import Any

import pytest

from app.watch import PERMISSION
from streamer.errors import StoreUnavailable
from streamer.jobs.model import Aside, Failure, Job, Progress
from streamer.store.base import now_ms
from tests.integration.app.actions import gates, runs
from tests.integration.app.house import House, token
from tests.integration.app.http_caller import call, get, post
from tests.integration.app.test_jobs import job_id
from tests.support.until import until

OOPS = Failure("PROCESSING_FAILED", "The action failed.", {"error_id": "e1"})


async def submitted(node: House, name: str, **options: Any) -> str:
    answer = await post(node, {"action": "queued", "id": name, **options})
    assert answer.status == 202, answer
    return str(answer.body["job_id"])


async def claimed(node: House, name: str) -> Job:
    return await node.claimed(await submitted(node, name))


async def state(node: House, name: str = "r1", **how: Any) -> dict[str, Any]:
    answer = await get(node, f"/{name}", **how)
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


# --- state --------------------------------------------------------------------------------------------------


async def test_the_state_of_what_waits(node: House) -> None:
    name = await submitted(node, "r1")
    told = await state(node)
    assert abs(told.pop("created_at") * 1000 - now_ms()) < 60_000
    assert told == {
        "request_id": "r1",
        "job_id": name,
        "action": "queued",
        "status": "PENDING",
        "attempt": 0,
        "seq": 0,
        "percentage": 0.0,
        "message": "",
        "chunks": 0,
    }


async def test_the_state_of_what_runs_has_its_newest_progress(node: House) -> None:
    job = await claimed(node, "r1")
    await node.requests.save_progress(job, Progress(20.0, "a fifth", chunks=3), 7)
    told = await state(node)
    assert (told["status"], told["attempt"], told["seq"]) == ("PROCESSING", 1, 7)
    assert (told["percentage"], told["message"], told["chunks"]) == (20.0, "a fifth", 3)


async def test_the_state_of_what_is_tried_again_says_when(node: House) -> None:
    due = now_ms() + 3_600_000
    await node.requests.retry(await claimed(node, "r1"), OOPS, 2, due)
    told = await state(node)
    assert (told["status"], told["retry_at"], "error" in told) == ("RETRYING", due / 1000, False)


async def test_the_state_of_what_is_complete_has_its_result(node: House) -> None:
    job = await node.completed(await submitted(node, "r1"), b'{"url": "u"}')
    told = await state(node)
    assert (told["status"], told["percentage"], told["result"]) == ("COMPLETED", 100.0, {"url": "u"})
    assert told["expires_at"] == (job.expires_ms or 0) / 1000


async def test_a_long_result_is_in_the_state_too(node: House) -> None:
    await node.completed(await submitted(node, "r1"), b'"' + b"x" * 1_000_000 + b'"')
    assert len((await state(node))["result"]) == 1_000_000


async def test_a_result_that_is_gone_is_told_as_an_error(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await node.completed(await submitted(node, "r1"), b'"' + b"x" * 100_000 + b'"')
    assert isinstance(job.result, Aside)

    async def nothing(*_: Any) -> None:
        return None

    monkeypatch.setattr(node.node.states._requests._rows, "get_aside", nothing)  # type: ignore[attr-defined]  # where side items are
    told = await state(node)
    assert ("result" in told, told["error"]["code"]) == (False, "NOT_FOUND")


async def test_the_state_of_what_failed_has_its_error(node: House) -> None:
    await node.requests.fail(await claimed(node, "r1"), OOPS, 2)
    told = await state(node)
    assert told["error"] == {
        "code": "PROCESSING_FAILED",
        "message": "The action failed.",
        "details": {"error_id": "e1"},
        "retry": {"retryable": False},
    }


async def test_a_request_is_found_by_its_job_id_too(node: House) -> None:
    name = await submitted(node, "r1")
    assert (await state(node, name))["request_id"] == "r1"
    await submitted(node, name)  # a request of that very name comes before the job
    assert (await state(node, name))["request_id"] == name


async def test_somebody_who_may_watch_sees_the_jobs_of_the_tenant_by_their_job_ids(node: House) -> None:
    name = await submitted(node, "r1")
    watcher = token("carl", permissions=(PERMISSION,))
    assert (await state(node, name, bearer=watcher))["request_id"] == name
    assert (await get(node, "/r1", bearer=watcher)).status == 404
    assert (await call(node, "DELETE", f"/v1/requests/{name}", bearer=watcher)).status == 404


async def test_an_id_that_can_be_nobodys_is_refused(node: House) -> None:
    for method in ("GET", "DELETE"):
        answer = await call(node, method, "/v1/requests/a%20b")
        assert (answer.status, answer.code) == (400, "INVALID_MESSAGE")
    assert (await get(node, "/a%20b/events")).code == "INVALID_MESSAGE"


async def test_a_store_that_is_away_is_told_as_such(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(node.node.states._requests, "get_many", away)
    answer = await get(node, "/r1")
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "STORAGE_ERROR", "1")


async def test_a_fault_of_ours_is_told_by_its_id_only(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(node.node.states._requests, "get_many", broken)
    answer = await get(node, "/r1")
    assert (answer.status, answer.code, list(answer.body["error"]["details"])) == (500, "INTERNAL_ERROR", ["error_id"])
    assert "hunter2" not in str(answer.body)


# --- list ---------------------------------------------------------------------------------------------------


async def test_the_list_has_the_callers_requests_page_by_page(node: House) -> None:
    for number in range(5):
        await submitted(node, f"r{number}")
    await node.completed(job_id("r0"))
    await post(node, {"action": "queued", "id": "strange"}, bearer=token("bob"))
    found = []
    query = "?limit=2"
    while query:
        page = (await get(node, query)).body
        found += [each["request_id"] for each in page["requests"]]
        query = f"?limit=2&cursor={page['cursor']}" if page["cursor"] else ""
    assert sorted(found) == ["r0", "r1", "r2", "r3", "r4"]
    done = (await get(node, "?status=COMPLETED")).body
    assert [(each["request_id"], "result" in each) for each in done["requests"]] == [("r0", False)]
    assert done["cursor"] is None


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "limit=", "limit=-1", "limit=²", "status=DONE", "status=", "cursor=x"]
)
async def test_a_list_that_cannot_be_given_is_refused(node: House, query: str) -> None:
    answer = await get(node, f"?{query}")
    assert (answer.status, answer.code) == (400, "INVALID_MESSAGE")
    assert query.partition("=")[0] in answer.body["error"]["message"]


# --- cancel -------------------------------------------------------------------------------------------------


async def cancel(node: House, name: str = "r1") -> tuple[int, dict[str, Any]]:
    answer = await call(node, "DELETE", f"/v1/requests/{name}")
    return answer.status, answer.body


async def test_what_waits_is_cancelled_at_once(node: House) -> None:
    name = await submitted(node, "r1")
    status, frame = await cancel(node, name)
    assert (status, frame["error"]["code"], frame["final"], frame["request_id"]) == (200, "CANCELLED", True, "r1")
    assert (await state(node))["status"] == "CANCELLED"


async def test_what_runs_is_being_cancelled(node: House) -> None:
    await claimed(node, "r1")
    status, frame = await cancel(node)
    assert (status, frame["type"], frame["status"]) == (202, "cancelling", "PROCESSING")
    assert (await node.row("r1")).cancel_requested_ms is not None


async def test_what_is_complete_is_told_instead(node: House) -> None:
    await node.completed(await submitted(node, "r1"))
    status, frame = await cancel(node)
    assert (status, frame["type"], frame["result"]) == (200, "complete", "done")


async def test_an_inline_run_is_cancelled_by_its_id(node: House) -> None:
    asked = asyncio.create_task(post(node, {"action": "wait", "id": "r1", "payload": {"gate": "stop"}}))
    await until(lambda: runs["stop"])
    status, frame = await cancel(node)
    assert (status, frame["type"], frame["request_id"]) == (202, "cancelling", "r1")
    answer = await asked
    assert (answer.status, answer.code) == (409, "CANCELLED")
    assert (await cancel(node))[0] == 200


async def test_an_inline_answer_of_a_moment_ago_is_told_again(node: House) -> None:
    gates["told"].set()
    await post(node, {"action": "wait", "id": "r1", "payload": {"gate": "told"}})
    status, frame = await cancel(node)
    assert (status, frame["type"], frame["data"]) == (200, "response", {"gate": "told"})


@pytest.mark.parametrize("name", ["r1", "0" * 32])
async def test_what_there_is_not_cannot_be_cancelled(node: House, name: str) -> None:
    status, frame = await cancel(node, name)
    assert (status, frame["error"]["code"], frame["request_id"]) == (404, "NOT_FOUND", name)
