"""Metrics: one table, and an object with one attribute per row of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Histogram
from prometheus_client.parser import text_string_to_metric_families

from streamer.telemetry.metrics import METRICS, Metrics, observe_all


def test_the_table_and_the_attributes_agree() -> None:
    declared = Metrics.__annotations__
    assert declared == {metric.name: metric.kind for metric in METRICS}
    assert len(declared) == len(METRICS)


def test_every_row_has_help_and_fitting_buckets() -> None:
    for metric in METRICS:
        assert metric.help.endswith(".")
        assert (metric.buckets is None) == (metric.kind is not Histogram)
        if metric.kind is Histogram:
            assert metric.name.endswith("_seconds")
            assert list(metric.buckets or ()) == sorted(set(metric.buckets or ()))


def test_counts_show_under_their_prometheus_names() -> None:
    metrics = Metrics()
    metrics.connections.inc()
    metrics.messages.labels("echo", "response").inc(2)
    metrics.submit_seconds.observe(0.02)
    shown = metrics.exposition().decode()
    assert "streamer_connections 1.0" in shown
    assert 'streamer_messages_total{action="echo",outcome="response"} 2.0' in shown
    assert 'streamer_submit_seconds_bucket{le="0.025"} 1.0' in shown
    assert "_created" not in shown


def test_the_exposition_can_be_read_by_prometheus() -> None:
    families = {family.name for family in text_string_to_metric_families(Metrics().exposition().decode())}
    assert {f"streamer_{metric.name}" for metric in METRICS} <= families
    assert "process_resident_memory_bytes" in families


def test_two_of_them_do_not_meet() -> None:
    one, other = Metrics(), Metrics()
    one.sessions_dead.inc()
    assert "streamer_sessions_dead_total 0.0" in other.exposition().decode()


@given(st.lists(st.floats(0, 100), min_size=1))
def test_many_values_at_a_time_are_as_many_one_at_a_time(values: list[float]) -> None:
    one, many = Metrics(), Metrics()
    for value in values:
        one.inline_seconds.labels("echo").observe(value)
    observe_all(many.inline_seconds.labels("echo"), values)
    for name in ("bucket", "count"):
        assert samples(many, name) == samples(one, name)
    assert many.inline_seconds.labels("echo")._sum.get() == pytest.approx(one.inline_seconds.labels("echo")._sum.get())


def samples(metrics: Metrics, name: str) -> list[str]:
    shown = metrics.exposition().decode().splitlines()
    return [line for line in shown if line.startswith(f"streamer_inline_seconds_{name}")]
