"""What a client must not send: the protocol's answer each time, and everything goes on."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.integration.app.house import House, house

MESSAGE, VALIDATION, ACTION = "INVALID_MESSAGE", "VALIDATION_ERROR", "INVALID_ACTION"

MALFORMED: list[tuple[str, str, str | None]] = [
    # what is sent, the code of the answer, the id that the answer has
    ("", MESSAGE, None),
    ("nonsense", MESSAGE, None),
    ("{", MESSAGE, None),
    ('{"action":"echo","id":"r1"', MESSAGE, None),
    ("null", MESSAGE, None),
    ("true", MESSAGE, None),
    ("42", MESSAGE, None),
    ('"echo"', MESSAGE, None),
    ("[]", MESSAGE, None),
    ('[{"action":"echo"}]', MESSAGE, None),
    ("{}", MESSAGE, None),
    ('{"id":"r1"}', MESSAGE, "r1"),
    ('{"id":"r1","action":null}', MESSAGE, "r1"),
    ('{"id":"r1","action":7}', MESSAGE, "r1"),
    ('{"id":"r1","action":""}', MESSAGE, "r1"),
    ('{"id":"r1","action":"no spaces"}', MESSAGE, "r1"),
    ('{"id":"r1","action":"' + "x" * 65 + '"}', MESSAGE, "r1"),
    ('{"id":"r1","action":"nobody"}', ACTION, "r1"),
    ('{"id":7,"action":"echo"}', MESSAGE, None),
    ('{"id":"","action":"echo"}', MESSAGE, None),
    ('{"id":"a b","action":"echo"}', MESSAGE, None),
    ('{"id":"' + "x" * 129 + '","action":"echo"}', MESSAGE, None),
    ('{"id":"r1\\u0000","action":"echo"}', MESSAGE, None),
    ('{"id":"r1","action":"echo","payload":{"a":NaN}}', MESSAGE, None),
    ('{"id":"r1","action":"echo","payload":"\\ud800"}', MESSAGE, None),
    ('{"id":"r1","action":"echo","payload":' + "[" * 400 + "]" * 400 + "}", MESSAGE, "r1"),
    ('{"id":"r1","action":"echo","payload":' + "[" * 9000 + "]" * 9000 + "}", MESSAGE, None),
    ('{"id":"r1","action":"echo","metadata":[]}', MESSAGE, "r1"),
    ('{"id":"r1","action":"echo","metadata":{"a":"' + "x" * 5000 + '"}}', MESSAGE, "r1"),
    ('{"id":"r1","action":"echo","options":"fast"}', MESSAGE, "r1"),
    ('{"id":"r1","action":"echo","options":{"mode":"later"}}', MESSAGE, "r1"),
    ('{"id":"r1","action":"echo","options":{"priority":9}}', MESSAGE, "r1"),
    ('{"id":"r1","action":"echo","options":{"delay_seconds":-1}}', MESSAGE, "r1"),
    ('{"id":"r1","action":"echo","options":{"delay_seconds":1e9}}', MESSAGE, "r1"),
    ('{"id":"r1","action":"echo","options":{"delay_seconds":5,"mode":"inline"}}', MESSAGE, "r1"),
    ('{"id":"r1","action":"echo","options":{"durable":true,"mode":"inline"}}', MESSAGE, "r1"),
    ('{"id":"r1","action":"echo","options":{"durable":"yes"}}', MESSAGE, "r1"),
    ('{"id":"r1","action":"queued","options":{"mode":"inline"}}', MESSAGE, "r1"),
    ('{"id":"r1","action":"echo","type":"shout"}', MESSAGE, "r1"),
    ('{"id":"r1","action":"echo","type":7}', MESSAGE, "r1"),
    ('{"type":"resume","connection_id":"x"}', MESSAGE, None),
    ('{"type":"cancel"}', MESSAGE, None),
    ('{"type":"cancel","request_id":{}}', MESSAGE, None),
    ('{"type":"cancel","request_id":"nobody"}', "NOT_FOUND", "nobody"),
    ('{"type":"ping","id":[]}', MESSAGE, None),
    ('{"id":"r1","action":"typed"}', VALIDATION, "r1"),
    ('{"id":"r1","action":"typed","payload":{"number":"many"}}', VALIDATION, "r1"),
    ('{"id":"r1","action":"typed","payload":[]}', VALIDATION, "r1"),
    ('{"id":"r1","action":"crash","payload":"no object"}', VALIDATION, "r1"),
    ('{"id":"r1","action":"slow_by_size","payload":{}}', "INTERNAL_ERROR", "r1"),
    ('{"id":"r1","action":"generate_report","payload":{"start_date":"x"}}', VALIDATION, "r1"),
]


async def test_malformed_frames_are_told_apart_and_hurt_nobody(node: House) -> None:
    client, neighbour = await node.client(), await node.client()
    for sent, code, request_id in MALFORMED:
        await client.socket.send(sent)
        answer = await client.next()
        assert answer["type"] == "error", sent
        assert (answer["error"]["code"], answer.get("request_id")) == (code, request_id), sent
        assert answer["final"] is False
        _says_nothing_internal(answer)
    assert (await client.ask(action="echo", id="r1"))["type"] == "response"
    assert (await neighbour.ask(action="echo", id="r2"))["type"] == "response"


async def test_a_faulty_payload_is_told_where_and_why(node: House) -> None:
    client = await node.client()
    answer = await client.ask(action="typed", payload={"number": "many"})
    [fault] = answer["error"]["details"]["errors"]
    assert fault["loc"] == ["number"]
    assert set(fault) == {"loc", "msg", "type"}


async def test_a_binary_frame_is_refused_and_the_connection_stays(node: House) -> None:
    client = await node.client()
    await client.socket.send(b'{"action":"echo"}')
    assert (await client.next())["error"]["code"] == MESSAGE
    assert (await client.ask(action="echo"))["type"] == "response"


async def test_a_frame_over_the_limit_closes(tmp_path: Path) -> None:
    async with house(tmp_path, max_message_bytes=2_000) as node:
        client, neighbour = await node.client(), await node.client()
        await client.send(action="echo", payload="x" * 1_900)
        assert (await client.next())["type"] == "response"
        await client.send(action="echo", payload="x" * 2_000)
        assert await client.closed() == 1009
        assert (await neighbour.ask(action="echo"))["type"] == "response"


@pytest.mark.parametrize("mode", ["inline", "queued"])
async def test_unknown_fields_are_ignored(node: House, mode: str) -> None:
    client = await node.client()
    frame = {"action": "echo", "id": "r1", "connection_id": "c", "options": {"mode": mode}, "extra": {"a": 1}}
    answer = await client.ask(**frame)
    assert answer["type"] == ("response" if mode == "inline" else "acknowledgment")


def _says_nothing_internal(answer: dict[str, Any]) -> None:
    text = orjson.dumps(answer).decode()
    for word in ("Traceback", "/app/", "sqlite", "KeyError", "0x"):
        assert word not in text
