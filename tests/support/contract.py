"""Frames on the wire against the AsyncAPI document of the actions that tests call."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jsonschema_rs

from streamer.actions import load_registry
from streamer.contract import asyncapi
from streamer.protocol.schema import CLIENT_TYPES, SERVER_TYPES

ACTIONS: Final = ("tests.support.acme",)
_OF_ACTIONS: Final = ("response", "complete")
"""What has a schema for each action."""

Frame = Mapping[str, Any]


class Contract:
    """The document; what is wrong with a frame is a sentence, None where nothing is."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._messages = document["components"]["messages"]
        self._schemas = {"components": {"schemas": document["components"]["schemas"]}}
        self._validators: dict[str, jsonschema_rs.Draft202012Validator] = {}  # by message, made when first needed

    def fault_in_sent(self, frame: Frame) -> str | None:
        """A client's frame; a request of an action that the document has is held against that action's payload."""
        kind = frame.get("type") or "request"
        if kind not in CLIENT_TYPES:
            return f"no client says {kind!r}: {frame}"
        message = f"{frame.get('action')}.request"
        return self._fault(message if kind == "request" and message in self._messages else kind, frame)

    def fault_in_received(self, frame: Frame, action: str | None = None) -> str | None:
        """A frame of the server; `action`: what the request that it is about called, None: that is not known."""
        kind = frame.get("type")
        if kind not in SERVER_TYPES:
            return f"the server never says {kind!r}: {frame}"
        message = f"{action}.{kind}"
        return self._fault(message if kind in _OF_ACTIONS and message in self._messages else kind, frame)

    def _fault(self, message: str, frame: Frame) -> str | None:
        validator = self._validators.get(message)
        if validator is None:
            validator = jsonschema_rs.Draft202012Validator({**self._messages[message]["payload"], **self._schemas})
            self._validators[message] = validator
        if validator.is_valid(frame):
            return None
        faults = "; ".join(f"{each.message} at {each.instance_path}" for each in validator.iter_errors(frame))
        return f"the contract of {message} is broken: {faults}: {frame}"


@functools.cache
def contract(actions: Sequence[str] = ACTIONS) -> Contract:
    """The contract of the demo actions and of these modules."""
    registry = load_registry(actions, threads=1)
    registry.close()
    return Contract(asyncapi.document(registry))


class Conversation:
    """What one connection says and hears; knows which action its requests call."""

    def __init__(self, spoken: Contract) -> None:
        self.faults: list[str] = []  # of what was received; a test looks at it from its own task
        self._spoken = spoken
        self._actions: dict[str, str] = {}  # request id -> the action of its newest call

    def say(self, frame: Frame) -> None:
        """AssertionError where no client may say this."""
        fault = self._spoken.fault_in_sent(frame)
        assert fault is None, fault

    def note(self, frame: Frame) -> None:
        """What is said, be it allowed or not."""
        request_id, action = frame.get("id"), frame.get("action")
        if isinstance(request_id, str) and isinstance(action, str):
            self._actions[request_id] = action

    def hear(self, frame: Frame) -> None:
        fault = self._spoken.fault_in_received(frame, self._actions.get(frame.get("request_id", "")))
        if fault is not None:
            self.faults.append(fault)

    def check(self) -> None:
        """AssertionError where the server said what it may not."""
        assert not self.faults, "\n".join(self.faults)
