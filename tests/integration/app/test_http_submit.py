"""`POST /v1/requests`: the same dispatch, ids and guarantees as on a socket."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.app.actions import gates, runs
from tests.integration.app.house import House, house, outcome, token
from tests.integration.app.http_caller import Answer, call, get, post
from tests.integration.app.test_jobs import job_id
from tests.support.until import until

QUEUED = {"action": "queued", "id": "r1"}


def is_empty(node: House) -> bool:
    """Nothing is left of any call."""
    registrar = node.node.registrar
    return not (len(node.node.hub) or node.node.seats._taken or registrar._rows or len(node.node.calls))


async def test_an_inline_action_is_answered_with_its_response(node: House) -> None:
    answer = await post(node, {"type": "request", "id": "r1", "action": "typed", "payload": {"number": 1}})
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert {**answer.body, "timestamp": 0} == {
        "type": "response",
        "request_id": "r1",
        "success": True,
        "data": {"number": 2},
        "timestamp": 0,
    }


async def test_a_queued_action_is_answered_with_its_acknowledgment(node: House) -> None:
    answer = await post(node, QUEUED)
    assert (answer.status, answer.body["type"], answer.body["state"]) == (202, "acknowledgment", "PENDING")
    assert answer.headers["location"] == "/v1/requests/r1"
    assert (await call(node, "GET", answer.headers["location"])).body["job_id"] == answer.body["job_id"]
    row = await node.row("r1")
    assert row.routes == frozenset()
    assert is_empty(node)


async def test_the_same_id_twice_is_one_job(node: House) -> None:
    first = await post(node, {"action": "queued"}, idempotency_key="r1")
    await node.completed(first.body["job_id"])
    again = await post(node, {"action": "queued"}, idempotency_key='"r1"')
    assert (again.status, again.body["job_id"], again.body["state"]) == (202, first.body["job_id"], "COMPLETED")


async def test_an_id_that_is_taken_by_another_payload_is_refused(node: House) -> None:
    await post(node, QUEUED)
    answer = await post(node, {**QUEUED, "payload": {"other": 1}})
    assert (answer.status, answer.code, answer.body["request_id"]) == (409, "DUPLICATE_REQUEST", "r1")


async def test_what_was_posted_is_resumed_by_a_socket(node: House) -> None:
    posted = await post(node, QUEUED)
    client = await node.client(v1=True)
    listed = await client.resume("r1")
    assert [each["job_id"] for each in listed["requests"]] == [posted.body["job_id"]]
    await node.completed(posted.body["job_id"])
    job = await node.row("r1")
    await node.deliver(job, "outcome", job.seq, outcome(job))
    assert (await client.next("complete"))["result"] == "done"


async def test_an_answer_may_be_longer_than_an_outbox_holds(node: House) -> None:
    text = "x" * 120_000
    answer = await post(node, {"action": "echo", "payload": {"message": text}})
    assert text in str(answer.body["data"])


@pytest.mark.parametrize(
    ("action", "payload", "status", "code"),
    [
        ("nothing", {}, 404, "INVALID_ACTION"),
        ("typed", {"number": "x"}, 400, "VALIDATION_ERROR"),
        ("refuse", {}, 422, "OUT_OF_STOCK"),
        ("crash", {}, 500, "INTERNAL_ERROR"),
        ("again", {}, 503, "SERVICE_UNAVAILABLE"),
        ("wait_long", {"gate": "never"}, 504, "TIMEOUT"),
    ],
)
async def test_an_error_has_the_status_of_its_code(
    node: House, action: str, payload: Any, status: int, code: str
) -> None:
    answer = await post(node, {"action": action, "id": "r1", "payload": payload})
    assert (answer.status, answer.code, answer.body["request_id"]) == (status, code, "r1")
    assert answer.headers.get("retry-after") == ("2" if action == "again" else None)


@pytest.mark.parametrize(
    ("body", "headers", "says"),
    [
        (b"{", {}, "JSON"),
        (b"", {}, "JSON"),
        (b'"\xff"', {}, "JSON"),
        ([], {}, "object"),
        ([], {"prefer": "respond-async"}, "object"),
        ({"type": "cancel", "request_id": "r1"}, {}, "request"),
        ({"type": 7}, {}, "request"),
        ({}, {}, "action is missing"),
        ({"action": "queued", "id": "r1"}, {"idempotency_key": "r2"}, "differ"),
        ({"action": "queued", "request_id": "r1"}, {"idempotency_key": "r2"}, "differ"),
        ({"action": "queued"}, {"idempotency_key": "r 2"}, "id must be"),
        ({"action": "queued", "options": 7}, {"prefer": "respond-async"}, "options must be"),
    ],
)
async def test_a_body_that_is_no_request_is_refused(node: House, body: Any, headers: dict[str, str], says: str) -> None:
    answer = await post(node, body, **headers)
    assert (answer.status, answer.code) == (400, "INVALID_MESSAGE")
    assert says in answer.body["error"]["message"]


async def test_a_body_that_is_nested_too_deep_is_refused_with_a_key_too(node: House) -> None:
    deep = b'{"action": "queued", "payload": ' + b"[" * 400 + b"]" * 400 + b"}"
    answer = await post(node, deep, idempotency_key="r1")
    assert (answer.status, answer.code) == (400, "INVALID_MESSAGE")


async def test_a_body_over_the_limit_is_refused_before_it_is_read(node: House) -> None:
    limit = node.node.settings.max_message_bytes

    async def parts() -> Any:
        for _ in range(limit // 1000 + 2):
            yield b" " * 1000

    announced = await post(node, b" " * (limit + 1))
    assert (announced.status, announced.code) == (413, "PAYLOAD_TOO_LARGE")
    url, headers = f"{node.server.url}/v1/requests", {"Authorization": f"Bearer {token()}"}
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, data=parts()) as answer:
        assert (answer.status, answer.headers["connection"]) == (413, "close")


async def test_an_id_of_both_kinds_may_be_the_same(node: House) -> None:
    assert (await post(node, QUEUED, idempotency_key="r1")).body["request_id"] == "r1"


# --- what the caller prefers --------------------------------------------------------------------------------


async def test_respond_async_queues_what_would_run_inline(node: House) -> None:
    body = {"action": "typed", "id": "r1", "payload": {"number": 1}}
    answer = await post(node, body, prefer="respond-async")
    assert (answer.status, answer.headers["preference-applied"]) == (202, "respond-async")
    chosen = {**body, "id": "r2", "options": {"mode": "inline", "priority": "high"}}
    inline = await post(node, chosen, prefer="respond-async")
    assert (inline.status, "preference-applied" in inline.headers) == (200, False)
    urgent = {**body, "id": "r3", "options": {"priority": "high"}}
    assert (await post(node, urgent, prefer="respond-async")).status == 202


async def waiting(node: House, body: Any = QUEUED, *, prefer: str = "wait=30") -> asyncio.Task[Answer]:
    """A call that waits for the outcome, as soon as its request is stored."""
    asked = asyncio.create_task(post(node, body, prefer=prefer))
    await until(lambda: node.requests.get(job_id(body["id"])))
    await until(lambda: any(each.trackers for each in node.node.hub))
    return asked


async def test_an_outcome_that_comes_in_time_is_the_answer(node: House) -> None:
    asked = await waiting(node)
    job = await node.completed(job_id("r1"))
    await node.deliver(job, "outcome", job.seq, outcome(job))
    answer = await asked
    assert (answer.status, answer.body["type"], answer.body["result"]) == (200, "complete", "done")
    assert answer.headers["preference-applied"] == "wait=30"
    await until(lambda: is_empty(node))


async def test_an_outcome_that_is_there_already_is_the_answer(node: House) -> None:
    await post(node, QUEUED)
    await node.completed(job_id("r1"))
    answer = await post(node, QUEUED, prefer="wait=30")
    assert (answer.status, answer.body["result"]) == (200, "done")


async def test_a_failure_that_comes_in_time_has_its_own_status(node: House) -> None:
    asked = await waiting(node)
    gone = await call(node, "DELETE", "/v1/requests/r1")
    answer = await asked
    assert (answer.status, answer.code, answer.body["final"]) == (409, "CANCELLED", True)
    assert (gone.status, gone.code) == (200, "CANCELLED")


async def test_an_outcome_that_is_late_is_acknowledged_only(node: House) -> None:
    answer = await post(node, QUEUED, prefer="respond-async, wait=1")
    assert (answer.status, answer.body["type"]) == (202, "acknowledgment")
    assert answer.headers["preference-applied"] == "respond-async, wait=1"
    assert answer.headers["location"] == "/v1/requests/r1"
    await until(lambda: is_empty(node))


async def test_who_waits_for_an_inline_action_waits_no_longer_than_it_runs(node: House) -> None:
    answer = await post(node, {"action": "typed", "payload": {"number": 1}}, prefer="wait=30")
    assert (answer.status, "preference-applied" in answer.headers) == (200, False)
    refused = await post(node, {"action": "nothing"}, prefer="wait=30")
    assert refused.status == 404
    await until(lambda: is_empty(node))


async def test_a_caller_who_goes_away_while_it_waits_leaves_nothing(node: House) -> None:
    asked = await waiting(node)
    assert not is_empty(node)
    asked.cancel()
    await until(lambda: is_empty(node))
    assert (await node.row("r1")).status == "PENDING"


async def test_a_caller_who_goes_away_takes_its_inline_run_from_nobody(node: House) -> None:
    body = {"action": "wait", "id": "r1", "payload": {"gate": "away"}}
    asked = asyncio.create_task(post(node, body))
    await until(lambda: runs["away"])
    asked.cancel()
    again = asyncio.create_task(post(node, body))
    await until(lambda: len(node.node.calls) == 2)
    gates["away"].set()
    assert (await again).body["data"] == {"gate": "away"}
    assert runs["away"] == 1
    await until(lambda: is_empty(node))


async def test_who_waits_has_a_seat(tmp_path: Path) -> None:
    async with house(tmp_path, max_connections_per_user=1) as node:
        client = await node.client()
        answer = await post(node, QUEUED, prefer="wait=1")
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "SERVICE_UNAVAILABLE", "5")
        assert (await post(node, QUEUED)).status == 202
        await client.socket.close()


async def test_a_token_that_expires_ends_the_waiting(node: House) -> None:
    answer = await post(node, QUEUED, prefer="wait=30", bearer=token(expires_in_s=2))
    assert answer.status == 202
    await until(lambda: is_empty(node))


# --- leaving ------------------------------------------------------------------------------------------------


async def test_a_node_that_leaves_answers_what_runs_and_takes_nothing_more(tmp_path: Path) -> None:
    async with house(tmp_path, drain_s=20.0) as node:
        asked = asyncio.create_task(post(node, {"action": "wait", "payload": {"gate": "drain"}}))
        await until(lambda: runs["drain"])
        node.server.stop()
        await until(lambda: node.node.health.is_draining)
        refused = await post(node, QUEUED)
        assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "SERVICE_UNAVAILABLE", "5")
        gates["drain"].set()
        assert (await asked).status == 200


async def test_a_node_that_leaves_waits_for_no_outcome(node: House) -> None:
    asked = await waiting(node)
    node.server.stop()
    assert (await asked).status == 202


async def test_a_run_that_is_stopped_as_the_node_leaves_is_answered(tmp_path: Path) -> None:
    async with house(tmp_path, drain_s=0.2) as node:
        asked = asyncio.create_task(post(node, {"action": "wait", "payload": {"gate": "never"}}))
        await until(lambda: runs["never"])
        node.server.stop()
        answer = await asked
        assert (answer.status, answer.code) == (503, "SERVICE_UNAVAILABLE")


# --- who may ------------------------------------------------------------------------------------------------


async def test_a_caller_without_a_good_token_is_turned_away(node: House) -> None:
    for bearer in ("", "junk", token(expires_in_s=-60)):
        answer = await post(node, QUEUED, bearer=bearer)
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
        assert answer.headers["www-authenticate"] == "Bearer"
    strange = await get(node, origin="https://evil.example")
    assert (strange.status, strange.code) == (403, "FORBIDDEN")


async def test_an_action_needs_its_permission(node: House) -> None:
    answer = await post(node, {"action": "secret", "id": "r1"})
    assert (answer.status, answer.code) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("PUT", "/v1/requests", 405, "POST, GET"),
        ("POST", "/v1/requests/r1", 405, "GET, DELETE"),
        ("POST", "/v1/requests/r1/events", 405, "GET"),
        ("DELETE", "/v1/presence", 405, "GET"),
        ("GET", "/v1/nothing", 404, None),
        ("GET", "/v1/requests/", 404, None),
        ("GET", "/v1/requests/r1/events/", 404, None),
    ],
)
async def test_paths_and_methods_that_there_are_not(
    node: House, method: str, path: str, status: int, allow: str | None
) -> None:
    answer = await call(node, method, path)
    assert (answer.status, answer.headers.get("allow")) == (status, allow)
    assert answer.code == ("NOT_FOUND" if status == 404 else "INVALID_MESSAGE")


async def test_calls_are_counted_by_path_and_class(node: House) -> None:
    await post(node, QUEUED)
    await post(node, {})
    await get(node, "/nothing")
    text = node.node.metrics.exposition().decode()
    assert 'streamer_http_requests_total{route="/v1/requests",status="2xx"} 1.0' in text
    assert 'streamer_http_requests_total{route="/v1/requests",status="4xx"} 1.0' in text
    assert 'streamer_http_requests_total{route="/v1/requests/{id}",status="4xx"} 1.0' in text


async def test_who_joined_a_run_is_turned_away_where_that_does_not_end(tmp_path: Path) -> None:
    async with house(tmp_path, drain_s=0.1) as node:
        body = {"action": "stubborn", "id": "r1", "payload": {"gate": "stubborn"}}
        asked = [asyncio.create_task(post(node, body, prefer="wait=30"))]
        await until(lambda: len(node.node.hub) == 1)
        asked.append(asyncio.create_task(post(node, body, prefer="wait=30")))
        await until(lambda: len(node.node.hub) == 2)
        node.server.stop()
        answer = await asked[1]
        assert (answer.status, answer.code) == (503, "SERVICE_UNAVAILABLE")
        gates["stubborn"].set()
        await asked[0]


async def test_a_caller_who_goes_away_in_the_middle_of_its_body_asks_for_nothing(node: House) -> None:
    host, port = node.server.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /v1/requests HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token()}\r\nContent-Length: 99\r\n\r\n{{"
    )
    writer.write(head.encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await post(node, QUEUED)).status == 202
    await until(lambda: is_empty(node))
    assert 'status="5xx"' not in node.node.metrics.exposition().decode()


async def test_where_nobody_is_asked_for_a_token_a_wait_has_no_end_but_its_own(tmp_path: Path) -> None:
    async with house(tmp_path, auth_mode="off") as node:
        answer = await post(node, QUEUED, bearer="", prefer="wait=1")
        assert answer.status == 202
        await until(lambda: is_empty(node))
