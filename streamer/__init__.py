"""Long work behind a WebSocket: the public face, for people who write actions."""

from streamer.actions import action, lifespan, middleware, register
from streamer.context import Context
from streamer.errors import ActionError, Retry

__all__ = ["ActionError", "Context", "Retry", "action", "lifespan", "middleware", "register"]
