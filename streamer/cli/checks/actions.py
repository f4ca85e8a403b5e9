"""Whether the modules of actions can be imported, and go together."""

from streamer.actions import load_registry
from streamer.errors import ConfigurationError
from streamer.settings import Settings
from streamer.store.finding import Finding, ok, wrong

REMEDY = "Correct the module, or STREAMER_ACTIONS; a module is looked for on PYTHONPATH, then in this folder."


def examine(settings: Settings) -> list[Finding]:
    """Imports them, as nodes and workers do at their start."""
    try:
        registry = load_registry(settings.actions, threads=1)
    except ConfigurationError as error:
        return [wrong("actions", str(error), REMEDY)]
    registry.close()
    return [ok("actions", f"{len(registry.names())} actions can be called.")]
