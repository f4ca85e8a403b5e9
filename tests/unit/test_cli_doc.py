"""docs/cli.md has the help of every command, word for word; with STREAMER_WRITE_DOCS=1 it is written anew."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from typer.main import get_command
from typer.testing import CliRunner

from streamer.cli.program import program
from streamer.cli.sentences import EXIT_CODES

PAGE: Final = Path(__file__).parents[2] / "docs" / "cli.md"
MARK: Final = "## All commands\n"


def commands(command: Any, path: Sequence[str] = ()) -> Iterator[Sequence[str]]:
    """The path of each, in the order of the help."""
    yield path
    for name in getattr(command, "list_commands", lambda _: [])(None):
        yield from commands(command.get_command(None, name), [*path, name])


def section(path: Sequence[str]) -> str:
    environment = {"COLUMNS": "80", "STREAMER_URL": "", "STREAMER_TOKEN": ""}
    shown = CliRunner(env=environment).invoke(program, [*path, "--help"], prog_name="streamer")
    assert shown.exit_code == 0, shown.output
    return f"### `{' '.join(['streamer', *path])}`\n\n```text\n{shown.stdout.strip()}\n```\n"


def test_every_command_is_there_as_its_help_says() -> None:
    written = PAGE.read_text()
    sections = "\n".join(section(path) for path in commands(get_command(program)))
    whole = f"{written.partition(MARK)[0]}{MARK}\n{sections}"
    if os.environ.get("STREAMER_WRITE_DOCS"):
        PAGE.write_text(whole)
    assert PAGE.read_text() == whole, "run this test with STREAMER_WRITE_DOCS=1"


def test_every_exit_code_is_in_the_table() -> None:
    rows = [line.split("|")[1:3] for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    assert {int(code): meaning.strip() for code, meaning in rows if code.strip().isdigit()} == EXIT_CODES
