"""The commands of `docs/http.md`, with what the page says that they print."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[2] / "docs" / "http.md"
_STEP: Final = re.compile(r"```sh\n(curl .*?)\n```\n\n```text\n(.*?)```", re.DOTALL)
_HEADER: Final = re.compile(r"(?m)^(date|content-length|content-type|transfer-encoding|cache-control): .*\r?\n")


@dataclass(frozen=True, slots=True)
class Step:
    command: str
    output: str


def steps() -> Sequence[Step]:
    """In the order of the page."""
    return [Step(*found) for found in _STEP.findall(PAGE.read_text())]


def shortened(text: str) -> str:
    """By the page's rule: without the headers that every answer has, job ids by their first six characters, times in
    whole seconds."""
    text = _HEADER.sub("", text).replace("\r", "")
    text = re.sub(r"\b([0-9a-f]{6})[0-9a-f]{26}\b", r"\1…", text)
    return re.sub(r"\b(1[0-9]{9})\.[0-9]+", r"\1", text)


def without_chance(text: str) -> str:
    """What is the same in every run."""
    text = re.sub(r"\b1[0-9]{9}\b", "TIME", shortened(text))
    text = re.sub(r'"cursor":"[^"]+"', '"cursor":"CURSOR"', text)
    return re.sub(r"(?m)^retry: [0-9]+$", "retry: MS", text).rstrip("\n")
