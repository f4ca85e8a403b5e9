"""What changed between two contracts, and which of it breaks their clients.

Removed actions, calls, messages, fields and statuses break. What a client sends may be taken more widely, what it
receives may be said more narrowly; the other way round breaks: a new required field, a narrower type or fewer values
in what it sends; a field that may be absent, a wider type or a new value of an enumeration in what it receives.
Error codes are no enumeration, so a new one breaks nothing; nor does a new frame type or a new field, which clients
ignore.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from streamer.contract.compare import Change, Comparison, Way

Document = Mapping[str, Any]

_KINDS: Final = ("asyncapi", "openapi")
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_CALL: Final = ".call"
_OUTCOMES: Final = (".response", ".complete")
"""Answers that end a request: a client that knows none of that kind waits on."""


class NotComparable(ValueError):
    """The two are no contracts of one kind; the message says what they are."""


def changes(old: Document, new: Document) -> Sequence[Change]:
    """All of them, breaking ones first, sorted by place. Raises NotComparable."""
    kinds = (_kind(old), _kind(new))
    if kinds[0] != kinds[1]:
        raise NotComparable(f"The old document is {kinds[0]} and the new one {kinds[1]}.")
    try:
        found = _Asyncapi(old, new) if kinds[0] == "asyncapi" else _Openapi(old, new)
        return sorted({*found.changes()}, key=lambda change: (not change.breaking, change))
    except (KeyError, TypeError, AttributeError) as error:
        raise NotComparable(f"One of them is no contract that this program wrote: {error!r}.") from error


def _kind(document: Document) -> str:
    kind = next((kind for kind in _KINDS if kind in document), None) if isinstance(document, Mapping) else None
    if kind is None:
        raise NotComparable("A contract is an AsyncAPI or an OpenAPI document.")
    return kind


class _Contracts:
    """Two documents of one kind."""

    def __init__(self, old: Document, new: Document) -> None:
        self.old = old
        self.new = new
        schemas = [document["components"]["schemas"] for document in (old, new)]
        self.sent = Comparison(schemas[0], schemas[1], Way.SENT)
        self.received = Comparison(schemas[0], schemas[1], Way.RECEIVED)


class _Asyncapi(_Contracts):
    def changes(self) -> Iterator[Change]:
        before, after = self.old["operations"], self.new["operations"]
        yield from _come_and_gone(before, after, _called)
        for name in before.keys() & after.keys():
            yield from self._of_operation(name, before[name], after[name])

    def _of_operation(self, name: str, old: Document, new: Document) -> Iterator[Change]:
        yield from _of_facts(_called(name), old, new)
        is_sent = old["action"] == "receive"
        for message in _messages(old):
            yield from self._of_message(message, self.sent if is_sent else self.received)
        before, after = _messages(old.get("reply", {})), _messages(new.get("reply", {}))
        for message in before - after:
            yield Change(f"{_called(name)}", f"is never answered by {message} any more", breaking=True)
        for message in after - before:
            is_outcome = message.endswith(_OUTCOMES)
            yield Change(f"{_called(name)}", f"may be answered by {message}, too", breaking=is_outcome)
        for message in before & after:
            yield from self._of_message(message, self.received)

    def _of_message(self, name: str, comparison: Comparison) -> Iterator[Change]:
        before, after = (document["components"]["messages"] for document in (self.old, self.new))
        yield from comparison.changes(before[name]["payload"], after[name]["payload"], name)


class _Openapi(_Contracts):
    def changes(self) -> Iterator[Change]:
        before, after = _operations(self.old), _operations(self.new)
        yield from _come_and_gone(before, after, str)
        for name in before.keys() & after.keys():
            yield from self._of_parameters(name, before[name], after[name])
            yield from self._of_answers(name, before[name], after[name])
            yield from _of_facts(name, before[name], after[name])
            yield from self._of_body(name, before[name], after[name])
            yield from self._of_actions(before[name], after[name])

    def _of_parameters(self, name: str, old: Document, new: Document) -> Iterator[Change]:
        before, after = _parameters(self.old, old), _parameters(self.new, new)
        for each in sorted(before.keys() - after.keys()):
            yield Change(f"{name} {each}", "is gone", breaking=True)
        for each in sorted(after.keys() - before.keys()):
            is_asked = after[each].get("required", False)
            yield Change(f"{name} {each}", "is new and required" if is_asked else "is new", breaking=is_asked)
        for each in sorted(before.keys() & after.keys()):
            must = [bool(both[each].get("required")) for both in (before, after)]
            if must[0] != must[1]:
                what = "is required now" if must[1] else "may be absent now"
                yield Change(f"{name} {each}", what, breaking=must[1])
            yield from self.sent.changes(before[each]["schema"], after[each]["schema"], f"{name} {each}")

    def _of_answers(self, name: str, old: Document, new: Document) -> Iterator[Change]:
        before, after = old["responses"], new["responses"]
        for status in sorted(before.keys() - after.keys()):
            yield Change(f"{name} {status}", "is never answered any more", breaking=True)
        for status in sorted(after.keys() - before.keys()):
            yield Change(f"{name} {status}", "may be answered, too", breaking=False)
        for status in sorted(before.keys() & after.keys()):
            yield from self._of_content(f"{name} {status}", before[status], after[status])

    def _of_content(self, where: str, old: Document, new: Document) -> Iterator[Change]:
        before, after = _content(self.old, old), _content(self.new, new)
        for kind in sorted(before.keys() - after.keys()):
            yield Change(where, f"is not said as {kind} any more", breaking=True)
        for kind in sorted(after.keys() - before.keys()):
            yield Change(where, f"may be said as {kind}, too", breaking=True)
        for kind in sorted(before.keys() & after.keys()):
            yield from self.received.changes(before[kind]["schema"], after[kind]["schema"], where)
            yield from self._of_events(where, before[kind], after[kind])

    def _of_events(self, where: str, old: Document, new: Document) -> Iterator[Change]:
        """The frames of an event stream; a new type of them is ignored by who does not know it."""
        before, after = (each.get("x-streamer-events", {}) for each in (old, new))
        yield from _come_and_gone(before, after, lambda kind: f"{where} {kind}")
        for kind in sorted(before.keys() & after.keys()):
            yield from self.received.changes(before[kind], after[kind], f"{where} {kind}")

    def _of_body(self, name: str, old: Document, new: Document) -> Iterator[Change]:
        """Where it calls no action."""
        before, after = _body(old), _body(new)
        if "discriminator" not in before and "discriminator" not in after:
            yield from self.sent.changes(before, after, f"{name} body")

    def _of_actions(self, old: Document, new: Document) -> Iterator[Change]:
        before, after = _actions(old), _actions(new)
        yield from _come_and_gone(before, after, lambda name: f"action {name}")
        for name in sorted(before.keys() & after.keys()):
            one, other = before[name], after[name]
            yield from self.sent.changes(one, other, f"{name}.request")
            yield from _of_facts(f"action {name}", _named(self.old, one), _named(self.new, other))
            results = [each["x-streamer-results"][name] for each in (old, new)]
            yield from self.received.changes(results[0], results[1], f"{name}.result")


def _come_and_gone(before: Document, after: Document, called: Any) -> Iterator[Change]:
    for name in sorted(before.keys() - after.keys()):
        yield Change(called(name), "is gone", breaking=True)
    for name in sorted(after.keys() - before.keys()):
        yield Change(called(name), "is new", breaking=False)


def _of_facts(where: str, old: Document, new: Document) -> Iterator[Change]:
    """What is known of an action beside its schemas."""
    before, after = old.get("x-streamer-permission"), new.get("x-streamer-permission")
    if before != after:
        yield Change(where, f"needed the permission {before}, needs {after}", breaking=after is not None)
    before, after = old.get("x-streamer-inline-allowed"), new.get("x-streamer-inline-allowed")
    if before != after:
        what = "may be asked to run inline" if after else "may not be asked to run inline any more"
        yield Change(where, what, breaking=not after)
    before, after = old.get("x-streamer-mode"), new.get("x-streamer-mode")
    if before != after:
        yield Change(where, f"mode was {before}, is {after}", breaking=False)


def _called(operation: str) -> str:
    is_action = operation.endswith(_CALL)
    return f"action {operation.removesuffix(_CALL)}" if is_action else f"message {operation}"


def _messages(said: Document) -> set[str]:
    """Names of the messages of an operation, or of its reply."""
    return {message["$ref"].rpartition("/")[2] for message in said.get("messages", ())}


def _operations(document: Document) -> Mapping[str, Document]:
    """`GET /path` -> the operation, with the parameters of its path."""
    found = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                shared = item.get("parameters", [])
                operation = {**item[method], "parameters": [*shared, *item[method].get("parameters", [])]}
                found[f"{method.upper()} {path}"] = operation
    return found


def _parameters(document: Document, operation: Document) -> Mapping[str, Document]:
    found = [_named(document, each) for each in operation["parameters"]]
    return {f"{each['in']} {each['name']}": each for each in found}


def _content(document: Document, answer: Document) -> Mapping[str, Document]:
    content: Mapping[str, Document] = _named(document, answer).get("content", {})
    return content


def _body(operation: Document) -> Document:
    """The schema of what is sent with a call; of none: anything."""
    body: Document = operation.get("requestBody", {"content": {"application/json": {"schema": {}}}})
    schema: Document = body["content"]["application/json"]["schema"]
    return schema


def _actions(operation: Document) -> Mapping[str, Document]:
    """Action -> a reference to the body that calls it."""
    mapping = _body(operation).get("discriminator", {}).get("mapping", {})
    return {action: {"$ref": target} for action, target in mapping.items()}


def _named(document: Document, said: Document) -> Document:
    """What a reference within the document refers to."""
    while "$ref" in said:
        found: Any = document
        for part in said["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        said = found
    return said
