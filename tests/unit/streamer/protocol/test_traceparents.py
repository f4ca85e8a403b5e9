"""The field of a frame that says in which trace it was made."""

import orjson

from streamer.protocol import traceparents
from tests.support.spans import TRACEPARENT


def test_what_was_added_is_read() -> None:
    frame = traceparents.added(b'{"type":"complete","timestamp":1.5}', TRACEPARENT)
    assert orjson.loads(frame) == {"type": "complete", "timestamp": 1.5, "traceparent": TRACEPARENT}
    assert traceparents.read(frame) == TRACEPARENT


def test_nothing_is_added_for_nothing() -> None:
    assert traceparents.added(b'{"type":"complete"}', None) == b'{"type":"complete"}'
    assert traceparents.read(b'{"type":"complete"}') is None
    assert traceparents.read(b"") is None


def test_what_a_handler_returns_is_not_taken_for_it() -> None:
    frame = orjson.dumps({"type": "complete", "result": {"a": 1, "traceparent": TRACEPARENT}, "timestamp": 1.5})
    assert traceparents.read(frame) is None
