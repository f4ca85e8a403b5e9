"""What both processes make of their settings."""

from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from streamer import process
from streamer.errors import ConfigurationError, StoreUnavailable
from streamer.settings import Settings
from streamer.store.base import Store
from streamer.telemetry.metrics import Metrics


def test_calls_to_the_store_are_counted_and_its_errors() -> None:
    metrics = Metrics()
    observe = process.observer(metrics)
    observe("claim", 0.1, None)
    observe("claim", 0.1, StoreUnavailable())
    observe("claim", 0.1, KeyError())
    sample = metrics.registry.get_sample_value
    assert sample("streamer_store_seconds_count", {"verb": "claim"}) == 3
    assert sample("streamer_store_errors_total", {"verb": "claim"}) == 1


async def test_the_store_of_the_settings_is_opened(tmp_path: Path) -> None:
    metrics = Metrics()
    async with process.opened(Settings(store=f"sqlite:///{tmp_path}/s.db"), metrics) as store:
        await store.create()
        await store.check()
    assert metrics.registry.get_sample_value("streamer_store_seconds_count", {"verb": "create"}) == 1


def test_two_key_pairs_are_valid_while_they_are_exchanged() -> None:
    settings = Settings(
        cluster_key_id="a",
        cluster_secret="s",
        cluster_key_id_next="b",
        cluster_secret_next="t",
    )
    assert [(key.key_id, key.secret) for key in process.cluster_keys(settings)] == [("a", "s"), ("b", "t")]


def test_a_process_without_a_key_pair_does_not_start() -> None:
    with pytest.raises(ConfigurationError, match="STREAMER_CLUSTER_KEY_ID"):
        process.cluster_keys(Settings())


class Away:
    """A store that comes after a while."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.calls: list[str] = []

    async def create(self) -> None:
        self.calls.append("create")

    async def check(self) -> None:
        self.calls.append("check")
        if self.refusals:
            self.refusals -= 1
            raise StoreUnavailable


@pytest.mark.parametrize(("url", "made"), [("sqlite:///s.db", ["create"]), ("dynamodb", [])])
async def test_a_store_that_is_away_is_awaited_and_said_to_be_once(
    monkeypatch: pytest.MonkeyPatch, url: str, made: list[str]
) -> None:
    monkeypatch.setattr("streamer.store.back_off.FIRST_S", 0.0)
    away = Away(3)
    with capture_logs() as logs:
        await process.reached(Settings(store=url), cast("Store", away))
    assert away.calls == [*made, "check"] * 4
    assert [line["event"] for line in logs] == ["store_awaited"]
