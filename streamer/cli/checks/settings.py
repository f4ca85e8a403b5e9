"""Whether the settings are understood, and go together."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

from streamer.errors import ConfigurationError
from streamer.settings import PREFIX, Settings
from streamer.store.finding import Finding, ok, unknown, wrong

REMEDY = "Correct the variable; the README has a table of all settings."
OF_COMMANDS: Final = frozenset({"STREAMER_TOKEN", "STREAMER_URL"})
"""What `streamer call` and its like read, beside their options."""


def read(environ: Mapping[str, str]) -> tuple[Settings | None, list[Finding]]:
    """The settings, None where they cannot be read, and what is wrong with them."""
    misspelt = list(_misspelt(environ))
    try:
        settings = Settings.read()
    except ConfigurationError as error:
        return None, [wrong("settings", str(error), REMEDY), *misspelt]
    return settings, [*_together(settings), *misspelt]


def _together(settings: Settings) -> Iterable[Finding]:
    faults = settings.work_faults()
    for fault in faults:
        yield wrong("settings", fault, REMEDY)
    if not faults:
        given = len(settings.model_fields_set)
        yield ok("settings", f"{given} of {len(type(settings).model_fields)} are set; `streamer config` shows them.")


def _misspelt(environ: Mapping[str, str]) -> Iterable[Finding]:
    """Nobody reads a variable that is no setting; some belong to other programs, so only what is near one is told."""
    names = [PREFIX + name.upper() for name in Settings.model_fields]
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in {*names, *OF_COMMANDS}:
            near = get_close_matches(variable, names, 1, 0.85)
            if near:
                yield unknown("settings", f"{variable} is no setting.", f"Did you mean {near[0]}?")
