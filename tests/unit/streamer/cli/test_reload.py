import asyncio
import os
import runpy
from collections.abc import Mapping
from pathlib import Path

import pytest

from streamer.cli import reload, trial
from streamer.cli.reload import Places, Reloader, load_fault
from streamer.cli.supervisor import Ended, Supervisor
from streamer.errors import ConfigurationError
from tests.support.until import until

HERE = str(Path(reload.__file__).parents[2])
LISTENS = b'{"event":"listening"}'


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module and a package, where somebody stands."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reloaded_module.py").touch()
    (tmp_path / "reloaded_package").mkdir()
    (tmp_path / "reloaded_package" / "__init__.py").touch()
    return tmp_path


def test_packages_are_watched_whole_and_modules_by_their_folder(code: Path) -> None:
    places = Places(["reloaded_package.inner.actions", "reloaded_package", "reloaded_module"])
    assert places.packages == {code / "reloaded_package"}
    assert places.folders == {code}


def test_what_has_no_file_is_not_watched() -> None:
    places = Places(["sys"])
    assert (places.packages, places.folders) == (set(), {Path("built-in").parent})


def test_a_module_that_there_is_not_is_a_sentence() -> None:
    with pytest.raises(ConfigurationError, match="nowhere of STREAMER_ACTIONS is not found"):
        Places(["nowhere.actions"])


class Replaced(Supervisor):
    """Notes what is started anew."""

    def __init__(self) -> None:
        super().__init__([], on_line=lambda *_: None, environ={}, kill_after_s=1)
        self.replaced: list[str] = []

    async def replace(self, name: str) -> None:
        self.replaced.append(name)


class Story:
    """A reloader of these modules, what it says, and what it starts anew."""

    def __init__(self, *modules: str) -> None:
        self.said: list[str] = []
        self.shown: list[bytes] = []
        environ = {**os.environ, "STREAMER_ACTIONS": ",".join(modules), "PYTHONPATH": HERE}
        self.supervisor = Replaced()
        self.reloader = Reloader(
            Places(modules),
            names=["worker", "app"],
            environ=environ,
            on_line=lambda _, line: self.shown.append(line),
            say=self.said.append,
        )


async def test_each_is_started_when_the_one_before_it_listens(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fine(_: Mapping[str, str]) -> None:
        return None

    monkeypatch.setattr(reload, "load_fault", fine)
    story = Story("reloaded_module", "reloaded_package")
    running = asyncio.create_task(story.reloader.run(story.supervisor))
    number = 0

    async def written() -> list[str]:
        nonlocal number
        number += 1
        (code / "reloaded_module.py").write_text(f"x = {number}")  # again, until the folder is watched
        return story.supervisor.replaced

    await until(written)
    assert story.supervisor.replaced == ["worker"]
    story.reloader.on_line("worker", b'"listening", it says')
    assert story.supervisor.replaced == ["worker"]
    story.reloader.on_line("worker", LISTENS)
    await until(lambda: story.supervisor.replaced == ["worker", "app"])
    story.reloader.on_end(Ended("app", 1))
    await until(lambda: "Reloaded." in story.said)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert story.said[0] == "reloaded_module.py changed: starting anew."
    assert story.said[1] == "The app process ended by itself (exit code 1); the next change starts it again."
    assert story.shown == [b'"listening", it says', LISTENS]


@pytest.mark.usefixtures("code")
async def test_who_does_not_listen_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fine(_: Mapping[str, str]) -> None:
        return None

    monkeypatch.setattr(reload, "load_fault", fine)
    monkeypatch.setattr(reload, "LISTENS_S", 0.01)
    story = Story("reloaded_module")
    await story.reloader._reload(story.supervisor, ["a.py"])
    assert story.said.count("It has not listened for 0.01 s; going on.") == 2
    assert story.supervisor.replaced == ["worker", "app"]


async def test_code_that_cannot_be_loaded_starts_nothing(code: Path) -> None:
    story = Story("reloaded_package")
    (code / "reloaded_package" / "__init__.py").write_text("1 / 0")
    await story.reloader._reload(story.supervisor, ["__init__.py"])
    assert story.said[0].startswith("The module reloaded_package cannot be imported: ZeroDivisionError")
    assert story.supervisor.replaced == []


async def test_what_a_trial_finds(code: Path) -> None:
    environ = {**os.environ, "STREAMER_ACTIONS": "reloaded_module", "PYTHONPATH": HERE}
    assert await load_fault(environ) is None
    (code / "reloaded_module.py").write_text("def broken(:")
    fault = await load_fault(environ)
    assert fault is not None
    assert fault.startswith("The module reloaded_module cannot be imported: SyntaxError")


async def test_a_trial_ends_with_who_asked_for_it(code: Path) -> None:
    (code / "reloaded_module.py").write_text("import time\nwhile True: time.sleep(1)")
    environ = {**os.environ, "STREAMER_ACTIONS": "reloaded_module", "PYTHONPATH": HERE}
    asked = asyncio.create_task(load_fault(environ))
    await until(_children)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await until(lambda: not _children())


def _children() -> str:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


def test_a_trial_is_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_ACTIONS", "")
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(Path(trial.__file__)), run_name="__main__")
    assert ended.value.code == 0


def test_a_trial_says_what_is_wrong(
    code: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del code
    monkeypatch.setenv("STREAMER_ACTIONS", "")
    assert trial.main() == 0
    monkeypatch.setenv("STREAMER_ACTIONS", "no.such.module")
    assert trial.main() == 2
    assert "no.such.module cannot be imported" in capsys.readouterr().err
