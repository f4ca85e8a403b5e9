import contextlib

import orjson
import pytest
from hypothesis import given, strategies

from streamer.errors import InvalidMessage
from streamer.jobs.model import Priority
from streamer.protocol.codec import MAX_COUNT, MAX_DEPTH, MAX_METADATA_BYTES, MAX_RESUMED, parse, readable_id
from streamer.protocol.messages import (
    DEFAULT_OPTIONS,
    Ack,
    Auth,
    Cancel,
    Mode,
    Options,
    Ping,
    Request,
    Resume,
    Seen,
    Subscribe,
    Unsubscribe,
)

CONNECTION = "0123456789ab.AZaz09_-AZaz09_-AZaz09"
JOB = "0123456789abcdef" * 2


def resume(requests: str, more: str = "") -> str:
    return '{"type":"resume","requests":' + requests + more + "}"


def subscribe(more: str) -> str:
    return '{"type":"subscribe","job_id":"' + JOB + '",' + more + "}"


def entries(count: int) -> str:
    return orjson.dumps([{"request_id": f"r{number}"} for number in range(count)]).decode()


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
    "a token that is missing": '{"type":"auth"}',
    "an empty token": '{"type":"auth","token":""}',
    "a token that is a number": '{"type":"auth","token":7}',
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
    "an expiry of nothing": '{"action":"echo","options":{"expires_in":0}}',
    "an expiry in the past": '{"action":"echo","options":{"expires_in":-1}}',
    "an expiry over 30 days": '{"action":"echo","options":{"expires_in":2592000.5}}',
    "an expiry that is a string": '{"action":"echo","options":{"expires_in":"5"}}',
    "an expiry that is true": '{"action":"echo","options":{"expires_in":true}}',
    "an expiry before the start": '{"action":"echo","options":{"expires_in":5,"delay_seconds":5}}',
    "durable as a number": '{"action":"echo","options":{"durable":1}}',
    "durable as a string": '{"action":"echo","options":{"durable":"true"}}',
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
    "an ack of nothing": '{"type":"ack"}',
    "an ack of a number": '{"type":"ack","request_id":3}',
    "an ack of a bad id": '{"type":"ack","id":"a b"}',
    "a resume without requests": '{"type":"resume"}',
    "a resume of null": resume("null"),
    "a resume of an object": resume('{"request_id":"r1"}'),
    "a resume of a string": resume('"r1"'),
    "a resume of too many": resume(entries(MAX_RESUMED + 1)),
    "a resume of a bare id": resume('["r1"]'),
    "a resume of a null entry": resume("[null]"),
    "a resume of an empty entry": resume("[{}]"),
    "a resume of a number": resume('[{"request_id":7}]'),
    "a resume of a bad id": resume('[{"request_id":"a b"}]'),
    "a resume of a bad alias": resume('[{"id":""}]'),
    "a resume of one request twice": resume('[{"request_id":"r1"},{"request_id":"r2"},{"id":"r1","seq":3}]'),
    "a resume with a negative attempt": resume('[{"request_id":"r1","attempt":-1}]'),
    "a resume with an attempt that is true": resume('[{"request_id":"r1","attempt":true}]'),
    "a resume with a seq that is a string": resume('[{"request_id":"r1","seq":"3"}]'),
    "a resume with a seq that is a fraction": resume('[{"request_id":"r1","seq":1.0}]'),
    "a resume with chunks that are an array": resume('[{"request_id":"r1","chunks":[]}]'),
    "a resume with chunks beyond counting": resume('[{"request_id":"r1","chunks":' + str(MAX_COUNT + 1) + "}]"),
    "a resume of a connection that is a number": resume("[]", ',"connection_id":7,"n":1'),
    "a resume of a connection that is an object": resume("[]", ',"connection_id":{},"n":1'),
    "a resume of a connection without n": resume("[]", f',"connection_id":"{CONNECTION}"'),
    "a resume of a connection for the 0th time": resume("[]", f',"connection_id":"{CONNECTION}","n":0'),
    "a resume of a connection, n true": resume("[]", f',"connection_id":"{CONNECTION}","n":true'),
    "a resume of a connection, n a string": resume("[]", f',"connection_id":"{CONNECTION}","n":"1"'),
    "a resume of a connection, n beyond counting": resume("[]", f',"connection_id":"{CONNECTION}","n":{MAX_COUNT + 1}'),
    "a subscribe to nothing": '{"type":"subscribe"}',
    "a subscribe to a number": '{"type":"subscribe","job_id":7}',
    "a subscribe to an array": '{"type":"subscribe","job_id":["x"]}',
    "a subscribe to an empty id": '{"type":"subscribe","job_id":""}',
    "a subscribe to what no id can be": '{"type":"subscribe","job_id":"a b"}',
    "a subscribe by request id": '{"type":"subscribe","request_id":"r1"}',
    "a subscribe with a negative seq": subscribe('"seq":-1'),
    "a subscribe with an attempt that is a string": subscribe('"attempt":"1"'),
    "a subscribe with chunks that are true": subscribe('"chunks":true'),
    "a subscribe to events that are a string": subscribe('"events":"chunk"'),
    "a subscribe to events that are an object": subscribe('"events":{"chunk":true}'),
    "a subscribe to an unknown event": subscribe('"events":["chunk","pong"]'),
    "a subscribe to an event that is a number": subscribe('"events":[1]'),
    "a subscribe to an event that is an array": subscribe('"events":[["chunk"]]'),
    "a subscribe to an event of great length": subscribe('"events":["' + "x" * 5_000 + '"]'),
    "an unsubscribe from nothing": '{"type":"unsubscribe"}',
    "an unsubscribe from a number": '{"type":"unsubscribe","job_id":7}',
    "an unsubscribe from what no id can be": '{"type":"unsubscribe","job_id":"a/b"}',
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
LATER_FIELDS = strategies.sampled_from(
    ["connection_id", "n", "requests", "job_id", "attempt", "seq", "chunks", "events"]
)
WORDS = strategies.sampled_from(
    ["request", "cancel", "ping", "resume", "subscribe", "unsubscribe", "ack", "echo", "high", "a b", "", CONNECTION]
)


@given(strategies.dictionaries(FIELDS | LATER_FIELDS, WORDS | JSON))
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
    assert parse('{"action":"echo","options":{"mode":null,"expires_in":null}}') == parse('{"action":"echo"}')


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


@pytest.mark.parametrize("durable", [True, False])
def test_durable(durable: bool) -> None:
    read = parse(orjson.dumps({"action": "echo", "options": {"durable": durable}}))
    assert isinstance(read, Request)
    assert read.options == Options(durable=durable)


@pytest.mark.parametrize(
    ("given_s", "expires_in_ms"), [("60", 60_000), ("0.25", 250), ("0.0001", 1), ("2592000", 2_592_000_000)]
)
def test_expiries(given_s: str, expires_in_ms: int) -> None:
    """A part of a millisecond counts as one: 0 would be no time at all."""
    read = parse('{"action":"echo","options":{"expires_in":' + given_s + "}}")
    assert isinstance(read, Request)
    assert read.options == Options(expires_in_ms=expires_in_ms)


def test_an_expiry_after_the_delay() -> None:
    read = parse('{"action":"echo","options":{"expires_in":6,"delay_seconds":5}}')
    assert isinstance(read, Request)
    assert read.options == Options(delay_ms=5_000, expires_in_ms=6_000)


def test_an_option_that_is_not_supported_is_named() -> None:
    with pytest.raises(InvalidMessage, match="The option 'colour' is not supported"):
        parse('{"action":"echo","options":{"colour":"red"}}')


def test_ack() -> None:
    assert parse('{"type":"ack","request_id":"r1"}') == Ack("r1")
    assert parse('{"type":"ack","id":"r1"}') == Ack("r1")


def test_a_fresh_token_which_no_log_shows() -> None:
    message = parse('{"type":"auth","token":"x.y.z"}')
    assert message == Auth("x.y.z")
    assert "x.y.z" not in repr(message)


def test_a_resume_of_nothing() -> None:
    assert parse(resume("[]")) == Resume(None, 0, ())


def test_a_whole_resume() -> None:
    requests = '[{"request_id":"r1","attempt":2,"seq":9,"chunks":4},{"request_id":"r2"}]'
    seen = (Seen("r1", 2, 9, 4), Seen("r2", 0, 0, 0))
    assert parse(resume(requests, f',"connection_id":"{CONNECTION}","n":3')) == Resume(CONNECTION, 3, seen)


def test_a_resume_of_as_many_as_are_allowed() -> None:
    read = parse(resume(entries(MAX_RESUMED)))
    assert isinstance(read, Resume)
    assert [seen.request_id for seen in read.requests] == [f"r{number}" for number in range(MAX_RESUMED)]


@pytest.mark.parametrize(
    ("entry", "seen"),
    [
        ('{"id":"r1"}', Seen("r1")),
        ('{"request_id":"r1","id":"r2"}', Seen("r1")),
        ('{"request_id":null,"id":"r1","attempt":null,"seq":null,"chunks":null}', Seen("r1")),
        ('{"request_id":"r1","chunks":9007199254740992,"more":{}}', Seen("r1", 0, 0, MAX_COUNT)),
    ],
)
def test_an_entry_of_a_resume(entry: str, seen: Seen) -> None:
    assert parse(resume(f"[{entry}]")) == Resume(None, 0, (seen,))


@pytest.mark.parametrize("connection_id", ["", "c1", CONNECTION + "A", CONNECTION.upper(), CONNECTION + "\n", "ä"])
def test_a_connection_id_that_can_be_nobodys_counts_as_absent(connection_id: str) -> None:
    frame = {"type": "resume", "connection_id": connection_id, "n": 0, "requests": [{"request_id": "r1"}]}
    assert parse(orjson.dumps(frame)) == Resume(None, 0, (Seen("r1"),))


def test_without_a_connection_id_nobody_asks_how_often() -> None:
    assert parse(resume("[]", ',"connection_id":null,"n":"often"')) == Resume(None, 0, ())


def test_subscribe() -> None:
    assert parse(f'{{"type":"subscribe","job_id":"{JOB}"}}') == Subscribe(JOB, Seen(JOB), None)


def test_a_whole_subscribe() -> None:
    text = subscribe('"attempt":1,"seq":5,"chunks":2,"events":["chunk","retrying","chunk"],"id":"ignored"')
    assert parse(text) == Subscribe(JOB, Seen(JOB, 1, 5, 2), frozenset({"chunk", "retrying"}))


@pytest.mark.parametrize("events", [[], ["progress", "chunk", "retrying", "complete", "error"]])
def test_a_watcher_chooses_its_events(events: list[str]) -> None:
    read = parse(orjson.dumps({"type": "subscribe", "job_id": JOB, "events": events}))
    assert read == Subscribe(JOB, Seen(JOB), frozenset(events))


def test_an_event_that_cannot_be_chosen_is_named() -> None:
    with pytest.raises(InvalidMessage, match="not 'pong'"):
        parse(subscribe('"events":["chunk","pong"]'))


@pytest.mark.parametrize("job_id", ["r1", JOB.upper(), "~"])
def test_whether_there_is_such_a_job_is_for_others_to_say(job_id: str) -> None:
    assert parse(orjson.dumps({"type": "subscribe", "job_id": job_id})) == Subscribe(job_id, Seen(job_id), None)
    assert parse(orjson.dumps({"type": "unsubscribe", "job_id": job_id})) == Unsubscribe(job_id)


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
        (subscribe('"id":"r1","seq":-1'), JOB),
        ('{"type":"unsubscribe","id":"r1"}', None),
        ('{"type":["subscribe"],"id":"r1","job_id":"j1"}', "r1"),
        (resume('[{"request_id":"r1","seq":-1}]'), None),
        (resume("{}", ',"id":"r2"'), "r2"),
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
    assert readable_id({"type": "subscribe", "id": "a", "job_id": "b"}) == "b"
    assert readable_id({}) is None
