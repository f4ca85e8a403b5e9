"""`python -m workers [--queue NAME ...]`: one worker process, until SIGTERM or SIGINT; a second one ends it at once."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from streamer.actions import load_registry
from streamer.errors import ConfigurationError
from streamer.jobs import ids
from streamer.process import opened
from streamer.registry import Registry
from streamer.settings import Settings
from streamer.telemetry import log as logs
from streamer.telemetry import tracing
from streamer.telemetry.metrics import Metrics
from workers.worker import Worker

log = structlog.get_logger()

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
CANNOT_START: Final = 2


def main(arguments: Sequence[str] = ()) -> int:
    """The exit code: 0 after a graceful stop, 2 where it cannot start."""
    try:
        settings = Settings.read(**_queues(arguments)).checked_for_worker()
        logs.configure(settings.log_format, settings.log_level)
        tracing.checked(is_on=settings.tracing)
        registry = load_registry(settings.actions, threads=settings.threads)
        asyncio.run(serve(settings, registry))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return CANNOT_START
    return 0


def _queues(arguments: Sequence[str]) -> dict[str, Sequence[str]]:
    """The setting `queues` where the command line names any: it overrides the environment."""
    parser = argparse.ArgumentParser(prog="python -m workers", description="Run a worker, configured by STREAMER_*.")
    parser.add_argument("--queue", action="append", default=[], help="take jobs of this queue; may be given again")
    names: list[str] = parser.parse_args(arguments).queue
    for name in names:
        if not ids.QUEUE.fullmatch(name):
            raise ConfigurationError(f"--queue {name!r}: a queue's name has 1 to 64 letters, digits or . _ -")
    return {"queues": tuple(dict.fromkeys(names))} if names else {}


async def serve(settings: Settings, registry: Registry) -> None:
    """Runs a worker until a signal asks it to stop."""
    metrics = Metrics()
    exporting = tracing.exporting("streamer-worker", is_on=settings.tracing)
    async with exporting, opened(settings, metrics) as store:
        worker = Worker(settings, registry, store, metrics)
        on_signal(worker.stop)
        await worker.run()


def on_signal(stop: Callable[[], None]) -> None:
    """The first signal calls `stop`; from then on signals have their default effect, which is to end the process."""
    loop = asyncio.get_running_loop()

    def stop_once(received: signal.Signals) -> None:
        log.info("signal_received", signal=received.name)
        for each in SIGNALS:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        stop()

    for each in SIGNALS:
        loop.add_signal_handler(each, stop_once, each)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a handler's thread that does not end would hold the interpreter for ever
