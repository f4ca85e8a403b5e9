import contextlib

import orjson
import pytest
from hypothesis import given, strategies

from streamer.errors import InvalidMessage
from streamer.jobs.model import Priority
from streamer.protocol.codec import MAX_DEPTH, MAX_METADATA_BYTES, parse, readable_id
from streamer.protocol.messages import DEFAULT_OPTIONS, Cancel, Mode, Options, Ping, Request

MALFORMED = {
    "nothing": "",
    "blank": "   ",
    "no JSON": "hello",
    "half a frame": '{"action":"echo"',
    "two frames": '{"action":"echo"}{"action":"echo"}',
    "single quotes": "{'action':'echo'}",
    "a comment": '{"action":"echo"} // now',
    "a trailing comma": '{"action":"echo",}',
    "not a number": '{"action":"echo","payload":NaN}',
    "infinity": '{"action":"echo","payload":-Infinity}',
    "a number out of range": '{"action":"echo","payload":1e400}',
    "a number of 400 digits": '{"action":"echo","payload":' + "9" * 400 + "}",
    "a lone surrogate, escaped": '{"action":"echo","payload":"\\ud800"}',
    "a lone surrogate": '{"action":"echo","payload":"\ud800"}',
    "a bare control character": '{"action":"echo","payload":"\x01"}',
    "a byte order mark": '\ufeff{"action":"echo"}',
    "bytes that are not UTF-8": b'{"action":"\xff"}',
    "null": "null",
    "true": "true",
    "a number": "12",
    "a string": '"echo"',
    "an array": '[{"action":"echo"}]',
    "an empty object": "{}",
    "an unknown type": '{"type":"shout","action":"echo"}',
    "a later type": '{"type":"subscribe","job_id":"x"}',
    "a type of the server": '{"type":"complete","request_id":"x"}',
    "a type in upper case": '{"type":"REQUEST","action":"echo"}',
    "a type that is a number": '{"type":1,"action":"echo"}',
    "a type that is false": '{"type":false,"action":"echo"}',
    "a type that is an object": '{"type":{"a":1},"action":"echo"}',
    "an empty type": '{"type":"","action":"echo"}',
    "no action": '{"payload":{}}',
    "action null": '{"action":null}',
    "an action that is a number": '{"action":7}',
    "an action that is an array": '{"action":["echo"]}',
    "an empty action": '{"action":""}',
    "an action with a space": '{"action":"echo me"}',
    "an action with a line end": '{"action":"echo\\n"}',
    "an action with NUL": '{"action":"echo\\u0000"}',
    "an action with a hash": '{"action":"a#b"}',
    "an action of 65 letters": '{"action":"' + "a" * 65 + '"}',
    "an action in another script": '{"action":"écho"}',
    "an id that is a number": '{"action":"echo","id":7}',
    "an id that is true": '{"action":"echo","id":true}',
    "an id that is an array": '{"action":"echo","id":["x"]}',
    "an empty id": '{"action":"echo","id":""}',
    "an id with a slash": '{"action":"echo","id":"a/b"}',
    "an id of 129 characters": '{"action":"echo","id":"' + "a" * 129 + '"}',
    "a bad alias of the id": '{"action":"echo","request_id":"a b"}',
    "a bad id beside a good alias": '{"action":"echo","id":"a b","request_id":"ok"}',
    "metadata that is a string": '{"action":"echo","metadata":"x"}',
    "metadata that is an array": '{"action":"echo","metadata":[]}',
    "metadata too big": '{"action":"echo","metadata":{"x":"' + "m" * MAX_METADATA_BYTES + '"}}',
    "options that are an array": '{"action":"echo","options":[]}',
    "options that are false": '{"action":"echo","options":false}',
    "an unknown option": '{"action":"echo","options":{"colour":"red"}}',
    "an option that is not built yet": '{"action":"echo","options":{"durable":true}}',
    "an unknown priority": '{"action":"echo","options":{"priority":"urgent"}}',
    "a priority in upper case": '{"action":"echo","options":{"priority":"HIGH"}}',
    "a priority that is a number": '{"action":"echo","options":{"priority":1}}',
    "a priority that is an array": '{"action":"echo","options":{"priority":["high"]}}',
    "an unknown mode": '{"action":"echo","options":{"mode":"later"}}',
    "a negative delay": '{"action":"echo","options":{"delay_seconds":-1}}',
    "a delay over a day": '{"action":"echo","options":{"delay_seconds":86400.5}}',
    "a delay that is a string": '{"action":"echo","options":{"delay_seconds":"5"}}',
    "a delay that is true": '{"action":"echo","options":{"delay_seconds":true}}',
    "a delay beyond counting": '{"action":"echo","options":{"delay_seconds":1e308}}',
    "a cancel of nothing": '{"type":"cancel"}',
    "a cancel of a number": '{"type":"cancel","request_id":3}',
    "a cancel of a bad id": '{"type":"cancel","request_id":"a b"}',
    "a ping with an object": '{"type":"ping","id":{}}',
    "a ping with a fraction": '{"type":"ping","id":1.5}',
    "a ping with true": '{"type":"ping","id":true}',
    "a ping with an integer over 64 bits": '{"type":"ping","id":18446744073709551616}',
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed(text: str | bytes) -> None:
    with pytest.raises(InvalidMessage) as caught:
        parse(text)
    assert caught.value.message.endswith((".", "~ -"))
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("depth", [MAX_DEPTH, 300, 900, 1_000, 1_020, 1_100, 60_000])
@pytest.mark.parametrize("where", ['{"type":%s}', '{"action":"a","payload":%s}', '{"action":"a","metadata":{"a":%s}}'])
@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")])
def test_deep_nesting(where: str, depth: int, brackets: tuple[str, str]) -> None:
    opening, closing = brackets
    text = where % (opening * depth + "1" + closing * depth)
    for each in (text, text.encode()):
        with pytest.raises(InvalidMessage):
            parse(each)


def test_what_is_let_in_can_be_written_inside_a_frame() -> None:
    deepest = MAX_DEPTH - 1  # the frame itself is a level
    read = parse('{"action":"a","payload":' + "[" * deepest + "]" * deepest + "}")
    assert isinstance(read, Request)
    assert orjson.dumps({"type": "response", "data": {"echo": [read.payload]}})


def test_many_brackets_are_not_deep() -> None:
    assert parse(orjson.dumps({"action": "a", "payload": [[] for _ in range(1_000)]}))


@given(strategies.text() | strategies.binary())
def test_anything_is_read_or_refused(text: str | bytes) -> None:
    with contextlib.suppress(InvalidMessage):
        parse(text)


JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers(-(2**63), 2**64 - 1) | strategies.text(),
    lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = strategies.sampled_from(["type", "action", "id", "request_id", "payload", "metadata", "options"])
WORDS = strategies.sampled_from(["request", "cancel", "ping", "echo", "high", "a b", ""])


@given(strategies.dictionaries(FIELDS, WORDS | JSON))
def test_any_object_is_read_or_refused(frame: dict[str, object]) -> None:
    with contextlib.suppress(InvalidMessage):
        parse(orjson.dumps(frame))


# --- what is read ---------------------------------------------------------------------------------------------


def test_the_shortest_request() -> None:
    assert parse('{"action":"echo"}') == Request(None, "echo", {}, None, DEFAULT_OPTIONS)


def test_a_whole_request() -> None:
    text = (
        '{"type":"request","id":"r-1","action":"report.v2","payload":[1,{"a":null}],"metadata":{"k":"v"},'
        '"options":{"priority":"high","delay_seconds":1.5,"mode":"queued"},"connection_id":"ignored"}'
    )
    options = Options(Priority.HIGH, 1_500, Mode.QUEUED)
    assert parse(text) == Request("r-1", "report.v2", [1, {"a": None}], {"k": "v"}, options)


def test_bytes_are_read_as_well() -> None:
    assert parse(b'{"action":"echo","payload":"\xc3\xa4"}') == Request(None, "echo", "ä", None, DEFAULT_OPTIONS)


def test_null_counts_as_absent() -> None:
    text = '{"type":null,"id":null,"action":"echo","payload":null,"metadata":null,"options":null}'
    assert parse(text) == Request(None, "echo", {}, None, DEFAULT_OPTIONS)
    assert parse('{"action":"echo","options":{"mode":null,"durable":null}}') == parse('{"action":"echo"}')


@pytest.mark.parametrize("payload", ["0", "false", '""', "[]", '"x"', "12345678901234567890"])
def test_a_payload_is_any_json(payload: str) -> None:
    read = parse('{"action":"echo","payload":' + payload + "}")
    assert isinstance(read, Request)
    assert read.payload == orjson.loads(payload)


def test_request_id_is_an_alias_and_id_wins() -> None:
    assert parse('{"action":"echo","request_id":"b"}').request_id == "b"  # type: ignore[union-attr]  # a Request
    assert parse('{"action":"echo","request_id":"b","id":"a"}').request_id == "a"  # type: ignore[union-attr]  # as above
    assert parse('{"action":"echo","request_id":"a b","id":"a"}').request_id == "a"  # type: ignore[union-attr]  # as above


def test_of_a_repeated_field_the_last_counts() -> None:
    assert parse('{"action":"echo","id":"a","id":"b"}').request_id == "b"  # type: ignore[union-attr]  # a Request


@pytest.mark.parametrize(("given_s", "delay_ms"), [("0", 0), ("0.25", 250), ("86400", 86_400_000), ("-0.0", 0)])
def test_delays(given_s: str, delay_ms: int) -> None:
    read = parse('{"action":"echo","options":{"delay_seconds":' + given_s + "}}")
    assert isinstance(read, Request)
    assert read.options.delay_ms == delay_ms


def test_metadata_up_to_its_limit() -> None:
    fits = "m" * (MAX_METADATA_BYTES - len('{"x":""}'))
    read = parse('{"action":"echo","metadata":{"x":"' + fits + '"}}')
    assert isinstance(read, Request)
    assert read.metadata == {"x": fits}


def test_cancel() -> None:
    assert parse('{"type":"cancel","request_id":"r1"}') == Cancel("r1")
    assert parse('{"type":"cancel","id":"r1"}') == Cancel("r1")


@pytest.mark.parametrize(("ping_id", "expected"), [("null", None), ('"p"', "p"), ("7", 7), (str(2**64 - 1), 2**64 - 1)])
def test_ping(ping_id: str, expected: str | int | None) -> None:
    assert parse('{"type":"ping","id":' + ping_id + "}") == Ping(expected)


# --- whose refusal it is --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "request_id"),
    [
        ('{"id":"r1"}', "r1"),
        ('{"request_id":"r1","action":5}', "r1"),
        ('{"id":"r1","action":"echo","options":{"mode":"x"}}', "r1"),
        ('{"id":"r1","type":"shout"}', "r1"),
        ('{"id":"a b","action":"echo"}', None),
        ('{"id":5,"request_id":"r1","action":"echo"}', None),
        ('{"type":"cancel","request_id":{}}', None),
        ("[", None),
    ],
)
def test_a_refusal_names_the_request_where_it_can(text: str, request_id: str | None) -> None:
    with pytest.raises(InvalidMessage) as caught:
        parse(text)
    assert caught.value.request_id == request_id


def test_an_unknown_type_is_named_but_not_repeated_at_length() -> None:
    with pytest.raises(InvalidMessage, match="'shout'"):
        parse('{"type":"shout"}')
    with pytest.raises(InvalidMessage) as caught:
        parse('{"type":"' + "s" * 100_000 + '"}')
    assert len(caught.value.message) < 120


def test_readable_id() -> None:
    assert readable_id({"id": "a"}) == "a"
    assert readable_id({"request_id": "a"}) == "a"
    assert readable_id({"id": ["a"]}) is None
    assert readable_id({}) is None
