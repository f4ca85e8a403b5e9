import io
from pathlib import Path

import pytest
import typer

from streamer.cli.call import as_frame, id_of, options_of, payload_of
from streamer.client import Completed, Failed, Problem


def test_a_payload_is_json_a_file_or_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "payload.json"
    file.write_text('{"from": "file"}')
    monkeypatch.setattr("sys.stdin", io.StringIO('["stdin"]'))
    assert payload_of('{"a": 1}') == {"a": 1}
    assert payload_of(f"@{file}") == {"from": "file"}
    assert payload_of("-") == ["stdin"]


@pytest.mark.parametrize("text", ["{", "", "@/does/not/exist", "{'a': 1}"])
def test_another_payload_is_a_usage_error(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        payload_of(text)


def test_options_are_json_or_strings() -> None:
    pairs = ["priority=high", "delay_seconds=1.5", "durable=true", "x=a=b"]
    assert options_of(pairs) == {"priority": "high", "delay_seconds": 1.5, "durable": True, "x": "a=b"}


@pytest.mark.parametrize("pair", ["priority", "=high", ""])
def test_another_option_is_a_usage_error(pair: str) -> None:
    with pytest.raises(typer.BadParameter, match="name=value"):
        options_of([pair])


def test_events_are_printed_under_the_protocols_words() -> None:
    frame = as_frame(Completed(request_id="r", job_id="j", attempt=1, seq=9, result=None))
    assert frame["type"] == "complete"
    assert frame["result"] is None
    assert as_frame(Failed(request_id="r", error=Problem("TIMEOUT")))["error"].code == "TIMEOUT"


def test_an_id_is_checked_before_anybody_is_called() -> None:
    assert id_of("report-7") == "report-7"
    assert id_of(None) is None
    with pytest.raises(typer.BadParameter, match="is not an id"):
        id_of("no spaces")
