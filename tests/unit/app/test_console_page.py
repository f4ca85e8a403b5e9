"""What the console page must be for a strict Content-Security-Policy, and for people who do not use a mouse."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import app

FOLDER = Path(app.__file__).parent / "console"
FILES = sorted(FOLDER.iterdir())


class Page(HTMLParser):
    """Every start tag of the page with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed((FOLDER / "index.html").read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in tags]


def test_everything_that_the_page_refers_to_is_there() -> None:
    referred = [attributes["src"] for attributes in Page().all("script")]
    referred += [attributes["href"] for attributes in Page().all("link")]
    assert referred
    for name in referred:
        assert name is not None
        assert (FOLDER / name).is_file()


def test_scripts_import_only_their_neighbours() -> None:
    for script in FOLDER.glob("*.js"):
        for name in re.findall(r'from "(.*?)"', script.read_text()):
            assert (FOLDER / name).is_file()


def test_nothing_is_inline() -> None:
    for tag, attributes in Page().tags:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
    assert all("src" in attributes for attributes in Page().all("script"))
    assert not Page().all("style")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_is_asked_of_others(file: Path) -> None:
    addresses = set(re.findall(r"https?://[^\"'\s]+", file.read_text()))
    assert addresses <= {"http://www.w3.org/2000/svg"}


def test_every_input_has_a_label() -> None:
    labelled = {attributes["for"] for attributes in Page().all("label")}
    assert {attributes["id"] for attributes in Page().all("input", "select", "textarea")} == labelled
