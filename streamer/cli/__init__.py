"""The command line: `streamer`. See `streamer --help`."""

from streamer.cli.program import main

__all__ = ["main"]
