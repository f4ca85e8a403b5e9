import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from streamer.cli.program import program

COMMITTED = Path(__file__).parents[4] / "docs" / "contract"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(program, ["contract", *map(str, arguments)])


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """The contract of a service that also had another action, and whose report took another format."""
    document = json.loads((COMMITTED / "asyncapi.json").read_bytes())
    document["operations"]["greet.call"] = document["operations"]["echo.call"]
    document["components"]["schemas"]["generate_report.payload"]["properties"]["format"]["enum"].append("odt")
    del document["components"]["schemas"]["generate_report.result"]["properties"]["rows"]
    path = tmp_path / "older.json"
    path.write_text(json.dumps(document))
    return path


def test_both_documents_are_written_into_a_folder(tmp_path: Path) -> None:
    assert run("--out", tmp_path / "new").exit_code == 0
    for name in ("asyncapi.json", "openapi.json"):
        assert (tmp_path / "new" / name).read_bytes() == (COMMITTED / name).read_bytes()


def test_each_goes_into_a_file_of_its_own_or_is_printed(tmp_path: Path) -> None:
    result = run("--asyncapi", tmp_path / "a.json", "--openapi", "-")
    assert (tmp_path / "a.json").read_bytes() == (COMMITTED / "asyncapi.json").read_bytes()
    assert result.stdout.encode() == (COMMITTED / "openapi.json").read_bytes()


def test_actions_may_be_named(tmp_path: Path) -> None:
    run("--actions", "tests.support.acme", "--openapi", tmp_path / "o.json")
    calls = json.loads((tmp_path / "o.json").read_bytes())["paths"]["/v1/requests"]["post"]["x-streamer-results"]
    assert {"echo", "steps"} <= calls.keys()


def test_their_types_are_written_for_typescript(tmp_path: Path) -> None:
    printed = run("--typescript", "-").stdout
    assert "payload: GenerateReportPayload;" in printed
    run("--typescript", tmp_path / "src" / "actions.ts", "--asyncapi", tmp_path / "a.json")
    assert (tmp_path / "src" / "actions.ts").read_text() == printed
    assert (tmp_path / "a.json").exists()


def test_they_are_else_those_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_ACTIONS", "tests.support.acme")
    run("--asyncapi", tmp_path / "a.json")
    assert "steps.call" in json.loads((tmp_path / "a.json").read_bytes())["operations"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Say where to"),
        (["--out", __file__], "cannot be written"),
        (["--out", "x", "--actions", "no.such.module"], "no.such.module cannot be imported"),
        (["diff", "missing.json", COMMITTED / "openapi.json"], "missing.json cannot be read: No such file"),
        (["diff", __file__, COMMITTED / "openapi.json"], "is not JSON"),
        (["diff", COMMITTED / "asyncapi.json", COMMITTED / "openapi.json"], "The old document is asyncapi"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(arguments: list[Any], sentence: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_a_diff_names_what_breaks_first(older: Path) -> None:
    result = run("diff", older, COMMITTED / "asyncapi.json")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "breaking    action greet  is gone",
        "breaking    generate_report.request.payload.format  is never 'odt' any more",
        "compatible  generate_report.complete.result.rows  is new",
    ]


def test_a_diff_may_be_read_by_programs(older: Path) -> None:
    result = run("diff", "--json", older, COMMITTED / "asyncapi.json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert {"where": "action greet", "what": "is gone"} in told["breaking"]
    assert told["compatible"] == [{"where": "generate_report.complete.result.rows", "what": "is new"}]


def test_compatible_changes_are_listed_and_no_failure(older: Path) -> None:
    document = json.loads(older.read_bytes())
    del document["operations"]["greet.call"]
    document["components"]["schemas"]["generate_report.payload"]["properties"]["format"]["enum"].remove("odt")
    older.write_text(json.dumps(document))
    result = run("diff", older, COMMITTED / "asyncapi.json")
    assert (result.exit_code, result.stdout) == (0, "compatible  generate_report.complete.result.rows  is new\n")


def test_no_change_is_said_so() -> None:
    result = run("diff", COMMITTED / "openapi.json", COMMITTED / "openapi.json")
    assert (result.exit_code, result.stdout) == (0, "Nothing changed.\n")
