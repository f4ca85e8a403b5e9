"""What the console page must be for a strict Content-Security-Policy, and for people who do not use a mouse."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import app

FOLDER = Path(app.__file__).parent / "console"
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
OWN = [path for path in SCRIPTS if "client" not in path.parts]  # the client is built elsewhere


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


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.relative_to(FOLDER)))
def test_scripts_import_only_what_is_served_with_them(script: Path) -> None:
    for name in re.findall(r'^(?:im|ex)port [^"]*?from "(.*?)"', script.read_text(), re.MULTILINE):
        assert name.startswith(".")
        assert (script.parent / name).resolve().is_relative_to(FOLDER.resolve())
        assert (script.parent / name).is_file()


@pytest.mark.parametrize("script", OWN, ids=lambda script: str(script.relative_to(FOLDER)))
def test_scripts_make_no_markup_of_text(script: Path) -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", script.read_text())


def test_nothing_is_inline() -> None:
    for tag, attributes in Page().tags:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
    assert all("src" in attributes for attributes in Page().all("script"))
    assert not Page().all("style")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FOLDER)))
def test_nothing_is_asked_of_others(file: Path) -> None:
    addresses = set(re.findall(r"https?://\w[^\"'\s]+", file.read_text()))
    assert addresses <= {"http://www.w3.org/2000/svg"}


def test_every_tab_has_its_panel() -> None:
    panels = {attributes["id"] for _, attributes in Page().tags if attributes.get("role") == "tabpanel"}
    tabs = [attributes for attributes in Page().all("button") if attributes.get("role") == "tab"]
    assert {tab["aria-controls"] for tab in tabs} == panels
