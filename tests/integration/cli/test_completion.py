"""What a shell proposes, asked as shells ask."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamer.cli.completion import actions
from streamer.cli.program import COMMANDS, loaded, program

STREAMER = (sys.executable, "-c", "import sys; sys.argv[0] = 'streamer'; from streamer.cli import main; main()")


def asked(env: dict[str, str], *command: str) -> list[str]:
    done = subprocess.run(
        command or STREAMER, env={**os.environ, **env}, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()


def bash(line: str) -> list[str]:
    words = line.split(" ")
    given = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    return asked({"_STREAMER_COMPLETE": "complete_bash", **given})


@pytest.mark.parametrize(
    ("line", "proposed"),
    [
        ("streamer j", ["jobs"]),
        ("streamer ", list(COMMANDS)),
        ("streamer jobs re", ["redrive"]),
        ("streamer jobs list --status d", ["delayed", "dead"]),
        ("streamer doctor --j", ["--json"]),
        ("streamer token re", ["revoke", "revoked", "restore"]),
        ("streamer call ech", ["echo", "echo_async"]),
    ],
)
def test_bash(line: str, proposed: list[str]) -> None:
    assert bash(line) == proposed


def test_zsh_and_fish_say_what_a_command_does() -> None:
    line = {"_TYPER_COMPLETE_ARGS": "streamer jo"}
    assert "The jobs in the store." in "".join(asked({"_STREAMER_COMPLETE": "complete_zsh", **line}))
    fish = {"_STREAMER_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args", **line}
    assert asked(fish) == ["jobs\tThe jobs in the store."]


def test_names_of_commands_are_proposed_without_importing_any() -> None:
    told = "print(*sorted(name for name in sys.modules if 'streamer' in name))"
    command = (sys.executable, "-c", f"import atexit, sys; atexit.register(lambda: {told}); {STREAMER[2]}")
    given = {"_STREAMER_COMPLETE": "complete_bash", "COMP_WORDS": "streamer j", "COMP_CWORD": "1"}
    imported = "streamer streamer.cli streamer.cli.program streamer.cli.sentences streamer.errors"
    assert asked(given, *command) == ["jobs", imported]


def test_asked_in_process_it_proposes_the_same() -> None:
    given = {"_STREAMER_COMPLETE": "complete_bash", "COMP_WORDS": "streamer j", "COMP_CWORD": "1"}
    assert CliRunner(env=given).invoke(program, [], prog_name="streamer").stdout == "jobs\n"


def test_a_command_that_there_is_not_is_exit_code_2() -> None:
    assert CliRunner().invoke(program, ["docter"]).exit_code == 2


def test_a_list_of_commands_says_of_each_what_its_help_says() -> None:
    for name, (_, sentence) in COMMANDS.items():
        assert loaded(name).get_short_help_str(limit=1_000) == sentence


def test_a_real_bash_takes_the_script(tmp_path: Path) -> None:
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("there is no bash here")
    (tmp_path / "streamer").write_text(f'#!/bin/sh\nexec "{STREAMER[0]}" -c "{STREAMER[2]}" "$@"\n')
    (tmp_path / "streamer").chmod(0o755)
    code = """
        source <(streamer --show-completion bash)
        COMP_WORDS=(streamer jobs re) COMP_CWORD=2
        "$(complete -p streamer | grep -o '_[a-z_]*completion')" streamer
        echo "${COMPREPLY[@]}"
    """
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert asked({"PATH": path}, shell, "--norc", "-c", code) == ["redrive"]


def test_actions_of_ones_own_are_proposed_and_their_prints_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "import streamer\nprint('hello')\n@streamer.action('proposed')\ndef mine():\n    return 1\n"
    (tmp_path / "proposing.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("STREAMER_ACTIONS", "proposing")
    assert actions("pro") == ["process_data", "proposed"]
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("STREAMER_ACTIONS", "no.such.module")
    assert actions("") == []
