"""What the documents list is what the code has."""

import re
from collections.abc import Iterator
from pathlib import Path

from streamer.jobs.lifecycle import TRANSITIONS
from streamer.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]


def test_readme_lists_every_setting() -> None:
    listed = re.findall(rf"^\| `({PREFIX}\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(PREFIX + name.upper() for name in Settings.model_fields)


def test_the_diagram_has_every_transition() -> None:
    drawn = set()
    for source, target, names in re.findall(r"^    (\w+) --> (\w+): (.+)$", _queue(), re.MULTILINE):
        drawn |= {(source, name, target) for name in names.split(", ")}
    assert drawn == {edge for edge in _edges() if edge[1] not in ("attach", "reroute", "watched")}


def test_the_table_explains_every_transition() -> None:
    cells = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", _queue(), re.MULTILINE)
    assert {name for cell in cells for name in re.findall(r"\w+", cell)} == set(TRANSITIONS)


def test_every_log_event_is_listed() -> None:
    source = "\n".join(path.read_text() for path in _modules())
    logged = set(re.findall(r"\blog\.(?:debug|info|warning|error|critical|exception)\(\s*\"(\w+)\"", source))
    table = (ROOT / "docs" / "events.md").read_text()
    listed = {name for cell in re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE) for name in re.findall(r"\w+", cell)}
    assert listed == logged


def _modules() -> Iterator[Path]:
    for folder in ("streamer", "app", "workers"):
        yield from (ROOT / folder).rglob("*.py")


def _queue() -> str:
    return (ROOT / "docs" / "queue.md").read_text()


def _edges() -> set[tuple[str, str, str]]:
    return {
        (source.value, name, (target or source).value)
        for name, (sources, target) in TRANSITIONS.items()
        for source in sources
    }
