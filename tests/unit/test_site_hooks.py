"""The tables that the documentation site makes from the code."""

import importlib.util
from types import ModuleType

import pytest

from streamer.protocol.codes import Close
from streamer.settings import PREFIX, Settings
from streamer.telemetry.metrics import METRICS, Metrics
from tests.support.blocks import ROOT


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "hooks" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_setting_is_in_the_table(reference: ModuleType) -> None:
    table = reference.on_page_markdown("before\n<!-- table: settings -->\nafter")
    assert [name for name in Settings.model_fields if f"| `{PREFIX}{name.upper()}` |" not in table] == []
    assert table.startswith("before\n| variable | default | meaning |\n|---|")
    assert "](docs/" not in table


def test_metrics_have_the_names_that_prometheus_sees(reference: ModuleType) -> None:
    table = reference.metrics()
    exposed = Metrics().exposition().decode()
    for row in table.splitlines()[2:]:
        assert f"# TYPE {row.split('`')[1]} " in exposed
    assert len(table.splitlines()) == len(METRICS) + 2


def test_errors_are_listed_by_their_codes(reference: ModuleType) -> None:
    table = reference.error_codes()
    assert "| `RATE_LIMITED` | Too many requests. | yes | Too much at once;" in table
    assert "| `NOT_FOUND` | There is no such request. | no |" in table
    assert table.count("`INVALID_MESSAGE`") == 1


def test_close_codes_say_who_may_come_back(reference: ModuleType) -> None:
    table = reference.close_codes()
    assert "| 1012 | restarting | yes |" in table
    assert "| 4503 | forbidden | no |" in table
    assert len(table.splitlines()) == len(Close) + 2


def test_an_unknown_table_is_an_error(reference: ModuleType) -> None:
    with pytest.raises(KeyError):
        reference.on_page_markdown("<!-- table: sayings -->")
