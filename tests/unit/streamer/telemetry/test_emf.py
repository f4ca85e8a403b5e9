"""Metrics as lines for CloudWatch."""

import asyncio
import io
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft7Validator
from prometheus_client import CollectorRegistry, Counter, Histogram

from streamer.telemetry.emf import MAX_METRICS, Emf
from streamer.telemetry.metrics import METRICS, Metric, Metrics
from tests.support.until import until

EMF = Path(__file__).parents[3] / "support" / "schemas" / "emf.json"
SCHEMA = Draft7Validator(orjson.loads(EMF.read_bytes()))
MAX_DIMENSIONS = 30
MAX_VALUES = 100


class Stage:
    """The lines of one process, as CloudWatch reads them."""

    def __init__(self, **options: Any) -> None:
        self.metrics = Metrics()
        self.written: list[str] = []
        self.emf = Emf(self.metrics, "streamer-app", "n1", write=self.written.append, **options)

    def told(self) -> list[dict[str, Any]]:
        self.written.clear()
        self.emf.tell()
        lines = [orjson.loads(line) for line in self.written]
        for line in lines:
            check(line)
        return lines

    def value(self, name: str, **dimensions: str) -> Any:
        wanted = {"Service": "streamer-app", **dimensions}
        return _only([line[name] for line in self.told() if name in line and _dimensions(line) == wanted])


def _only(found: list[Any]) -> Any:
    assert len(found) <= 1
    return found[0] if found else None


def _dimensions(line: dict[str, Any]) -> dict[str, str]:
    (names,) = line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
    return {name: line[name] for name in names}


def check(line: dict[str, Any]) -> None:
    """By the schema, and by what the specification says beside it."""
    SCHEMA.validate(line)
    assert len(orjson.dumps(line)) < 1_000_000
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert len(directive["Metrics"]) <= MAX_METRICS
    assert len(_dimensions(line)) <= MAX_DIMENSIONS
    for metric in directive["Metrics"]:
        value = line[metric["Name"]]
        if isinstance(value, dict):
            assert 0 < len(value["Values"]) == len(value["Counts"]) <= MAX_VALUES


def test_a_dimension_is_one_of_the_labels() -> None:
    for metric in METRICS:
        assert set(metric.dimensions) <= set(metric.labels)


def test_every_metric_without_dimensions_is_told_from_the_start() -> None:
    (line,) = Stage().told()
    told = {metric["Name"]: metric["Unit"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    counted = {m.name for m in METRICS if not m.labels and m.kind is not Histogram}
    assert counted <= told.keys()
    assert (told["connections"], told["clock_offset_seconds"]) == ("Count", "Seconds")
    assert (line["Service"], line["Instance"]) == ("streamer-app", "n1")


def test_a_counter_is_told_by_how_much_it_grew() -> None:
    stage = Stage()
    stage.metrics.slow_readers.inc(3)
    assert stage.value("slow_readers") == 3
    stage.metrics.slow_readers.inc(2)
    assert stage.value("slow_readers") == 2
    assert stage.value("slow_readers") == 0


def test_a_gauge_is_told_as_it_is() -> None:
    stage = Stage()
    stage.metrics.queue_depth.labels("gpu").set(7)
    assert [stage.value("queue_depth", queue="gpu") for _ in range(2)] == [7, 7]


def test_labels_that_are_no_dimensions_are_added_up() -> None:
    stage = Stage()
    for action, outcome, count in (("echo", "response", 2), ("report", "response", 3), ("echo", "error", 4)):
        stage.metrics.messages.labels(action, outcome).inc(count)
    assert stage.value("messages", outcome="response") == 5
    stage.metrics.messages.labels("other", "response").inc()
    assert stage.value("messages", outcome="response") == 1


def test_a_histogram_is_told_by_its_buckets_since_the_last_time() -> None:
    stage = Stage()
    for value in (0.02, 0.02, 0.3, 99.0):
        stage.metrics.submit_seconds.observe(value)
    first = stage.value("submit_seconds")
    assert dict(zip(first["Values"], first["Counts"], strict=True)) == {0.025: 2, 0.5: 1, 30.0: 1}
    assert (first["Min"], first["Max"], first["Count"]) == (0.025, 30.0, 4)
    assert first["Sum"] == pytest.approx(99.34)
    stage.metrics.submit_seconds.observe(0.02)
    second = stage.value("submit_seconds")
    assert (second["Values"], second["Counts"]) == ([0.025], [1])
    assert second["Sum"] == pytest.approx(0.02)
    assert stage.value("submit_seconds") is None


def test_a_histogram_adds_up_over_labels_too() -> None:
    stage = Stage()
    stage.metrics.inline_seconds.labels("echo").observe(0.02)
    stage.metrics.inline_seconds.labels("who").observe(0.02)
    assert stage.value("inline_seconds")["Counts"] == [2]
    stage.metrics.attempt_seconds.labels("report").observe(2.0)
    assert stage.value("attempt_seconds", action="report")["Values"] == [2.5]


def test_more_metrics_than_a_line_takes_are_more_lines() -> None:
    table = [Metric(Counter, f"number_{number}", "A number.") for number in range(2 * MAX_METRICS + 1)]
    stage = Stage(table=table)
    registry = CollectorRegistry()
    for metric in table:
        setattr(stage.metrics, metric.name, metric.build(registry))
    sizes = [len(line["_aws"]["CloudWatchMetrics"][0]["Metrics"]) for line in stage.told()]
    assert sizes == [MAX_METRICS, MAX_METRICS, 1]


async def test_it_goes_on_and_tells_the_rest_at_the_end() -> None:
    stage = Stage()
    telling = asyncio.create_task(stage.emf.run(0.001), name="emf")
    await until(lambda: len(stage.written) >= 2)
    stage.metrics.slow_readers.inc(5)
    telling.cancel()
    await asyncio.wait([telling])
    assert sum(orjson.loads(line)["slow_readers"] for line in stage.written) == 5


def test_lines_go_to_stdout_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    Emf(Metrics(), "streamer-worker", "w1").tell()
    (line,) = out.getvalue().splitlines()
    check(orjson.loads(line))
    assert orjson.loads(line)["Service"] == "streamer-worker"
