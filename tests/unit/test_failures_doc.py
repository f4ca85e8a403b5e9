"""The table of failures names tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = 32
_DOCUMENT = (ROOT / "docs" / "failures.md").read_text()
_NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", _DOCUMENT)


def test_the_catalogue_is_whole() -> None:
    rows = re.findall(r"^\| (\d+) \|.*`tests/.+` \|$", _DOCUMENT, re.MULTILINE)
    assert [int(number) for number in rows] == list(range(1, ROWS + 1))


@pytest.mark.parametrize(("path", "name"), sorted(set(_NAMED)))
def test_what_is_said_to_show_it_exists(path: str, name: str) -> None:
    assert re.search(rf"^(?:async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
