"""Whether this process lives, and whether it should be sent new connections."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

WEDGED_S: Final = 2.0
"""A loop that wakes this late answers nobody in time."""


@dataclass(slots=True)
class Health:
    """What a node knows of itself."""

    store_was_seen: bool = False  # the store answered once since the start
    is_draining: bool = False
    loop_lag_s: float = 0.0  # how late the loop last woke up

    @property
    def unready(self) -> str | None:
        """Why no new connection should come here; None where it may. A store that is away is no reason: every
        node would leave at once, and sockets with it."""
        if self.is_draining:
            return "draining"
        if not self.store_was_seen:
            return "starting"
        if self.loop_lag_s > WEDGED_S:
            return "overloaded"
        return None


def routes(health_of: Callable[[Request], Health]) -> Sequence[Route]:
    """`/livez`, which depends on nothing, and `/readyz`."""

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(request: Request) -> Response:
        reason = health_of(request).unready
        return JSONResponse({"status": reason or "ready"}, status_code=200 if reason is None else 503)

    return [Route("/livez", live), Route("/readyz", ready)]
