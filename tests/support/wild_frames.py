"""What a client might send that nobody thought of: hypothesis strategies from nearly right to noise."""

from typing import Any

import orjson
from hypothesis import strategies as st

from streamer.protocol import codec

Sent = str | bytes | tuple[bytes]
"""A text frame; a binary one; in a tuple, the bytes of a text frame that may not be UTF-8."""

ACTIONS = ("echo", "echo_async", "generate_report", "process_data", "nobody")
TYPES = (None, "request", "cancel", "resume", "subscribe", "unsubscribe", "ack", "auth", "ping", "shout")

_names = st.sampled_from(["r1", "r2", "x" * 128, "x" * 129, "", "a b", "018f0000-0000-7000-8000-000000000000", "\x00"])
_numbers = st.one_of(st.integers(-2, 5), st.sampled_from([2**53, 2**53 + 1, 2**63, -(2**70), 0.5, 1e308]))
_scalars = st.one_of(st.none(), st.booleans(), _numbers, st.text(max_size=8), _names)
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)


def _mostly(sensible: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(*[sensible] * 12, _values)


_good_names = st.one_of(st.sampled_from(["r1", "r2", "r3"]), st.uuids().map(str), _names)
_counts = st.one_of(st.integers(0, 5), st.integers(0, 5), _numbers)
_options = st.fixed_dictionaries(
    {},
    optional={
        "priority": _mostly(st.sampled_from(["high", "normal", "low"])),
        "delay_seconds": _mostly(_counts),
        "mode": _mostly(st.sampled_from(["auto", "inline", "queued"])),
        "expires_in": _mostly(st.integers(10, 100)),
        "durable": _mostly(st.booleans()),
    },
)
_payloads = st.dictionaries(st.sampled_from(["duration_s", "message", "format"]), _scalars, max_size=2)
_place = {"attempt": _counts, "seq": _counts, "chunks": _counts}
_seen = st.fixed_dictionaries({"request_id": _mostly(_good_names)}, optional=_place)
_events = st.lists(st.sampled_from([*codec.EVENTS, "noise"]), max_size=3)

_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "id": _mostly(_good_names),
    "request_id": _mostly(_good_names),
    "action": _mostly(st.sampled_from(ACTIONS)),
    "payload": _mostly(_payloads),
    "metadata": _mostly(st.dictionaries(st.text(max_size=4), _scalars, max_size=2)),
    "options": _mostly(_options),
    "job_id": _mostly(_good_names),
    "events": _mostly(_events),
    "connection_id": _mostly(_good_names),
    "n": _mostly(st.integers(1, 3)),
    "requests": _mostly(st.lists(_seen, max_size=4)),
    "token": _mostly(st.text(max_size=16)),
    **_place,
}


def _of(kind: str | None, needed: str, *possible: str) -> st.SearchStrategy[dict[str, Any]]:
    """Frames of a type, mostly as they should be."""
    typed = {} if kind is None else {"type": st.just(kind)}
    named = {name: _FIELDS[name] for name in needed.split()}
    return st.fixed_dictionaries({**typed, **named}, optional={name: _FIELDS[name] for name in possible})


_frames = st.one_of(
    _of(None, "action id payload", "options", "metadata"),
    _of("request", "action", "id", "payload", "options", "metadata"),
    _of("cancel", "request_id"),
    _of("resume", "requests", "connection_id", "n"),
    _of("subscribe", "job_id", "events", *_place),
    _of("unsubscribe", "job_id"),
    _of("ack", "request_id"),
    _of("auth", "token"),
    _of("ping", "", "id"),
    st.fixed_dictionaries({}, optional={"type": _mostly(st.sampled_from(TYPES)), **_FIELDS}),
)


def _encoded(frame: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(frame)
    except orjson.JSONEncodeError:  # a number that JSON libraries disagree about
        return repr(frame).replace("'", '"').encode("utf-8", "surrogatepass")


@st.composite
def _broken(draw: st.DrawFn) -> tuple[bytes]:
    """A frame with a piece cut out, or something else in its place."""
    text = _encoded(draw(_frames))
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, len(text)))
    return (text[:start] + draw(st.binary(max_size=6)) + text[end:],)


_deep = st.integers(100, 2_000).map(lambda depth: '{"action":"echo","payload":' + "[" * depth + "]" * depth + "}")

frames: st.SearchStrategy[Sent] = st.one_of(
    *[_frames.map(lambda frame: (_encoded(frame),))] * 6,
    _broken(),
    _broken(),
    st.text(max_size=40),
    st.binary(max_size=40),
    st.binary(max_size=40).map(lambda noise: (noise,)),
    _deep,
)
