"""The actions of this node, as a caller is told of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from streamer.auth import Principal
from streamer.contract import schemas
from streamer.definitions import Action
from streamer.registry import Registry


class Catalog:
    """Makes the description of an action when it is first asked for."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._made: dict[str, Mapping[str, Any]] = {}

    def of(self, principal: Principal) -> Sequence[Mapping[str, Any]]:
        """Those that this caller may call, by name."""
        actions = [self._registry.get(name) for name in sorted(self._registry.names())]
        return [self._described(action) for action in actions if principal.may(action.permission)]

    def _described(self, action: Action) -> Mapping[str, Any]:
        if action.name not in self._made:
            self._made[action.name] = described(action)
        return self._made[action.name]


def described(action: Action) -> Mapping[str, Any]:
    """Its schemas stand by themselves; None: anything may be in that place."""
    payload, result = schemas.alone(action)
    return {
        "name": action.name,
        "description": action.handler.about,
        "mode": action.mode,
        "permission": action.permission,
        "payload": payload,
        "result": result,
    }
