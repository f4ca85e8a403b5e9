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
            try:
                from streamer.cli.program import program  # noqa: PLC0415  # see above
            except ModuleNotFoundError as error:  # only the Python client is installed
                sys.exit(f"The command line needs the extra: pip install 'streamer[server]' ({error}).")
            program()
