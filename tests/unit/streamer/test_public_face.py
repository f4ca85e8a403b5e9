"""`import streamer`: every name is there, and costs nothing before it is asked for."""

import importlib
import subprocess
import sys

import pytest

import streamer
from streamer.cli import main


@pytest.mark.parametrize("name", streamer.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(streamer, name).__name__ == name


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        importlib.import_module("streamer").nonsense  # noqa: B018  # looking it up is the test


@pytest.mark.parametrize("name", ["action", "submit", "Context"])
def test_without_the_extra_a_name_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic_core", None)
    for module in [module for module in sys.modules if module.startswith("streamer.")]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(ImportError, match=rf"streamer\.{name} needs the extra: pip install 'streamer\[server\]'"):
        getattr(streamer, name)


def test_so_does_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["streamer", "call", "echo"])
    monkeypatch.setitem(sys.modules, "streamer.cli.program", None)
    with pytest.raises(SystemExit, match=r"needs the extra: pip install 'streamer\[server\]'"):
        main()


def test_the_package_alone_imports_nothing_of_itself() -> None:
    script = "import sys, streamer; print(*(name for name in sys.modules if name.startswith('streamer.')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
