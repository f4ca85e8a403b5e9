"""`python -m app`: one node, from the environment. Exit code 0 after a drain, 1 after a fault, 2 for settings."""

import gc
import os
import sys
from typing import Final

import structlog

from app.main import create_app
from app.server import Server
from streamer.errors import ConfigurationError
from streamer.settings import Settings
from streamer.telemetry.log import configure

log = structlog.get_logger()

YOUNG_OBJECTS: Final = 20_000
"""That are made before the garbage collector looks through them."""


def main() -> int:
    try:
        settings = Settings.read()
        configure(settings.log_format, settings.log_level)
        app = create_app(settings)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if settings.auth_mode == "off":
        log.warning("authentication_off", host=settings.host)
    server = Server(app, settings)
    _collect_seldom()
    server.run()
    code = int(server.node.tasks.died)
    abandoned = app.state.registry.close()
    if abandoned:
        log.warning("handlers_abandoned", threads=abandoned)
        _leave_now(code)
    return code


def _collect_seldom() -> None:
    """A message makes some 20 objects and next to no cycles, so Python's default of a look per 700 of them is for
    nothing. What is there by now stays, and is not looked at again."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


def _leave_now(code: int) -> None:
    """Without waiting for threads that no longer matter to anybody."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
