"""`import streamer`: every name is there, and costs nothing before it is asked for."""

import importlib
import subprocess
import sys

import pytest

import streamer


@pytest.mark.parametrize("name", streamer.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(streamer, name).__name__ == name


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        importlib.import_module("streamer").nonsense  # noqa: B018  # looking it up is the test


def test_the_package_alone_imports_nothing_of_itself() -> None:
    script = "import sys, streamer; print(*(name for name in sys.modules if name.startswith('streamer.')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
