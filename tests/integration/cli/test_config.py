"""`streamer config`: which settings hold, and where they come from."""

import json
import os

import pytest
from typer.testing import CliRunner

from streamer.cli.program import program
from streamer.settings import Settings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("STREAMER_")]:
        monkeypatch.delenv(name)
    given = {"PORT": "9000", "JWT_SECRET": "do not tell", "QUEUES": "a,b", "HOST": "", "WAKEUPS": "sweep,direct"}
    for name, value in given.items():
        monkeypatch.setenv(f"STREAMER_{name}", value)


def test_each_setting_has_a_value_and_a_source() -> None:
    told = json.loads(CliRunner().invoke(program, ["config", "--json"]).stdout)
    assert told.keys() == {f"STREAMER_{name.upper()}" for name in Settings.model_fields}
    assert told["STREAMER_PORT"] == {"value": 9000, "from": "environment"}
    assert told["STREAMER_QUEUES"] == {"value": ["a", "b"], "from": "environment"}
    assert told["STREAMER_WAKEUPS"]["value"] == ["direct", "sweep"]
    assert told["STREAMER_HOST"] == {"value": "127.0.0.1", "from": "default"}
    assert told["STREAMER_CLUSTER_SECRET"] == {"value": None, "from": "default"}


@pytest.mark.parametrize("arguments", [[], ["--show"], ["--json"]])
def test_secrets_are_masked(arguments: list[str]) -> None:
    result = CliRunner().invoke(program, ["config", *arguments])
    assert result.exit_code == 0
    assert "do not tell" not in result.stdout
    assert "********" in result.stdout


def test_people_read_a_table() -> None:
    lines = [line.split() for line in CliRunner().invoke(program, ["config"]).stdout.splitlines()]
    assert lines[0] == ["SETTING", "VALUE", "FROM"]
    assert ["STREAMER_QUEUES", "a,b", "environment"] in lines
    assert ["STREAMER_CONSOLE", "false", "default"] in lines
    assert ["STREAMER_JWT_ISSUER", "default"] in lines


def test_what_is_not_understood_is_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_PORT", "no")
    result = CliRunner().invoke(program, ["config"])
    assert (result.exit_code, result.stderr.startswith("STREAMER_PORT: ")) == (2, True)
