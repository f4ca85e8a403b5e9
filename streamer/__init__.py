"""Long work behind a WebSocket: the public face, for people who write actions, and for back ends that start jobs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from streamer.actions import action, every, lifespan, middleware, register
    from streamer.backend import submit, submitting
    from streamer.context import Context, Submitted
    from streamer.errors import ActionError, Retry

__all__ = [
    "ActionError",
    "Context",
    "Retry",
    "Submitted",
    "action",
    "every",
    "lifespan",
    "middleware",
    "register",
    "submit",
    "submitting",
]

_HOMES: Final = {
    **dict.fromkeys(("action", "every", "lifespan", "middleware", "register"), "streamer.actions"),
    **dict.fromkeys(("submit", "submitting"), "streamer.backend"),
    **dict.fromkeys(("Context", "Submitted"), "streamer.context"),
    **dict.fromkeys(("ActionError", "Retry"), "streamer.errors"),
}


def __getattr__(name: str) -> Any:
    """Each is imported when it is asked for: the store takes long, and a health check needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = import_module(_HOMES[name])
    except ModuleNotFoundError as error:
        raise ImportError(f"streamer.{name} needs the extra: pip install 'streamer[server]' ({error}).") from error
    return getattr(home, name)
