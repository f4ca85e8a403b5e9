"""The command line: `streamer`. See `streamer --help`."""

import sys

__all__ = ["main"]


def main() -> None:
    """The console script. A health check goes without what parses the other commands: containers make one every few
    seconds, and it would cost three times as much."""
    match sys.argv[1:]:
        case ["healthcheck", url] if not url.startswith("-"):
            from streamer.cli.health import check  # noqa: PLC0415  # see above

            sys.exit(check(url))
        case _:
            from streamer.cli.program import program  # noqa: PLC0415  # see above

            program()
