"""`python -m streamer.cli.trial`: whether the actions of the settings can be loaded, asked in a process of its own."""

import sys

from streamer.actions import load_registry
from streamer.errors import ConfigurationError
from streamer.settings import Settings


def main() -> int:
    """0; or 2, and on stderr a sentence that says why not."""
    try:
        load_registry(Settings.read().actions, threads=1).close()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
