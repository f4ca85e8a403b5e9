"""Who did what to whose request: one structured event, `audit`, for each; never a payload, never a token.

It is written whatever the log level of the process is.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final, Literal

import structlog

from streamer.auth import Principal

Verb = Literal["submit", "cancel", "watch", "redrive", "purge", "revoke", "token", "refused"]

REFUSALS_PER_S: Final = 10
"""That are written; whoever tries ten thousand tokens a second must not fill the disk, too."""
LOGGER: Final = "streamer.audit"


def logger() -> Any:
    """Heard from INFO on, whatever the level of the process is."""
    heard = structlog.make_filtering_bound_logger(logging.INFO)
    return structlog.wrap_logger(None, wrapper_class=heard, logger_factory_args=(LOGGER,))


log = logger()


class Audit:
    """`clock`: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._second = 0  # in which `_refusals` were written
        self._refusals = 0
        self._left_out = 0  # since it was told last

    def record(self, verb: Verb, principal: Principal | None, *, result: str, **about: Any) -> None:
        """Writes one event; `about`: `request_id`, `job_id`, `action` and the like, and what is None is left out.

        `principal` None: nobody that we know. Of refusals at most `REFUSALS_PER_S`; how many were left out is told a
        second later.
        """
        if verb == "refused" and not self._has_room():
            return
        who = {} if principal is None else _who(principal)
        fields = {name: value for name, value in {**who, **about}.items() if value is not None}
        log.info("audit", verb=verb, result=result, **fields)

    def _has_room(self) -> bool:
        second = int(self._clock())
        if second != self._second:
            self._second, self._refusals = second, 0
        self._refusals += 1
        if self._refusals <= REFUSALS_PER_S:
            return True
        self._left_out += 1
        if self._left_out == 1:
            asyncio.get_running_loop().call_later(1.0, self._tell)
        return False

    def _tell(self) -> None:
        left_out, self._left_out = self._left_out, 0
        log.warning("audit_left_out", refusals=left_out)


def _who(principal: Principal) -> dict[str, Any]:
    return {
        "user": principal.user,
        "tenant": principal.tenant,
        "token_id": principal.token_id,
    }


record: Final = Audit().record
"""The one of this process."""
