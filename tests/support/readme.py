"""The code blocks of the README, and who runs each."""

from collections.abc import Sequence
from typing import Final

from tests.support.blocks import ROOT, Block, blocks

NODE: Final = 8080
_KNOWN: Final = {
    "drawing": ("Streamer", "mermaid", "flowchart"),
    "two_commands": ("Two commands", "sh", "make dev"),
    "socket": ("Two commands", "console", "$ websocat"),
    "actions": ("Write an action", "python", "# acme/actions.py"),
    "with_actions": ("Write an action", "sh", "STREAMER_ACTIONS="),
    "nightly": ("Start jobs without a socket", "python", "# acme/nightly.py"),
    "back_end": ("Start jobs without a socket", "python", "# in a back end"),
    "python": ("Connect", "python", "import asyncio"),
    "browser": ("Connect", "js", "import { connect }"),
    "bare_browser": ("Connect", "js", "const socket"),
    "curl": ("Connect", "sh", "curl"),
    "shell": ("Connect", "sh", "streamer call"),
    "compose": ("Deploy", "sh", "docker compose"),
    "operate": ("Operate", "sh", "streamer jobs"),
}
"""By name: under which heading, in which language, and how it begins."""


def block(name: str) -> Block:
    """That one; AssertionError unless there is exactly one such."""
    (found,) = [each for each in told() if _is(name, each)]
    return found


def told() -> Sequence[Block]:
    return blocks((ROOT / "README.md").read_text())


def names_of(each: Block) -> Sequence[str]:
    """One, if it is known."""
    return [name for name in _KNOWN if _is(name, each)]


def _is(name: str, each: Block) -> bool:
    heading, language, begin = _KNOWN[name]
    return (each.heading, each.language) == (heading, language) and each.text.startswith(begin)


def all_names() -> Sequence[str]:
    return list(_KNOWN)
