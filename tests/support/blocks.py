"""The code blocks of a page in Markdown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_PART: Final = re.compile(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$|^#+ (.+?)$', re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    heading: str  # the one above it; "" before the first
    language: str
    title: str  # the file that it is, or the terminal that it is typed into; "" where the page says nothing
    text: str


def blocks(page: str) -> Sequence[Block]:
    """In the order of the page."""
    found, heading = [], ""
    for language, title, text, new_heading in _PART.findall(page):
        heading = new_heading or heading
        if not new_heading:
            found.append(Block(heading, language, title, text))
    return found


def shown(expected: str) -> re.Pattern[str]:
    """What output must contain to be as a page shows it: whole lines; `…` in one is anything, as one any lines."""
    lines = [
        r"(?:.*\n)*?" if line == "…" else re.escape(line.rstrip()).replace("…", ".*") + r"[ \r]*\n"
        for line in expected.rstrip("\n").split("\n")
    ]
    return re.compile("^" + "".join(lines), re.MULTILINE)
