"""What a shell may propose for an argument."""

import contextlib
import sys

from streamer.errors import ConfigurationError


def actions(incomplete: str) -> list[str]:
    """Names of actions of STREAMER_ACTIONS and of the examples; none where they cannot be loaded."""
    with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(ConfigurationError):  # modules may print
        from streamer.actions import load_registry  # noqa: PLC0415  # only this proposal waits for it
        from streamer.settings import Settings  # noqa: PLC0415

        registry = load_registry(Settings.read().actions, threads=1)
        registry.close()
        return sorted(name for name in registry.names() if name.startswith(incomplete))
    return []
