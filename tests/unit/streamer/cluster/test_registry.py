"""A process's own row, and the rows of the others."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from streamer.cluster.registry import APP, Beat, Peers
from streamer.errors import StoreUnavailable
from tests.support.until import until
from tests.unit.streamer.cluster.nodes import Nodes


def beat_on(nodes: Nodes, **options: Any) -> Beat:
    free = iter(range(100))
    return Beat(nodes, APP, "n1", lambda: {"free": next(free)}, interval_s=0.001, **options)


async def test_each_beat_counts_up_and_tells_anew() -> None:
    nodes = Nodes()
    beat = beat_on(nodes, clock=iter([10.0, 12.0]).__next__)
    moments = [beat.sent]
    for _ in range(2):
        assert await beat.once()
        moments.append(beat.sent)
    assert moments == [None, 10.0, 12.0]
    assert (nodes.rows["n1"].beat, nodes.rows["n1"].info) == (2, {"free": 1})
    await beat.remove()
    assert nodes.rows == {}


async def test_a_store_that_is_away_is_logged_once_per_change() -> None:
    nodes = Nodes()
    beat = beat_on(nodes)
    with capture_logs() as events:
        for away in (False, True, True, False, False):
            nodes.is_away = away
            assert await beat.once() is not away
    assert [event["event"] for event in events] == ["store_unreachable", "store_reachable"]
    assert not beat.buried


async def test_a_row_that_was_removed_means_buried() -> None:
    nodes = Nodes()
    beat = beat_on(nodes)
    await beat.once()
    nodes.rows.clear()
    await beat.once()
    assert beat.buried


@pytest.mark.parametrize("with_lag", [True, False])
async def test_it_beats_until_it_is_cancelled(with_lag: bool) -> None:
    nodes, lags = Nodes(), list[float]()
    beating = asyncio.create_task(beat_on(nodes).run(lags.append if with_lag else None))
    await until(lambda: "n1" in nodes.rows and nodes.rows["n1"].beat >= 3)
    beating.cancel()
    await asyncio.wait([beating])
    assert beating.cancelled()
    assert bool(lags) is with_lag
    assert all(lag >= 0 for lag in lags)


async def test_peers_are_those_of_the_last_refresh() -> None:
    nodes = Nodes()
    peers = Peers(nodes, APP)
    await nodes.beat(APP, "n1", {"endpoint": "http://a:1"})
    await nodes.beat("worker", "w1", {})
    assert peers.get("n1") is None
    assert peers.endpoint("n1") is None
    assert [row.node_id for row in await peers.refresh()] == ["n1"]
    assert [row.node_id for row in peers.rows()] == ["n1"]
    assert peers.endpoint("n1") == "http://a:1"


async def test_a_failed_refresh_keeps_what_was_known() -> None:
    nodes = Nodes()
    peers = Peers(nodes, APP)
    await nodes.beat(APP, "n1", {})
    await peers.refresh()
    nodes.is_away = True
    with pytest.raises(StoreUnavailable):
        await peers.refresh()
    assert peers.get("n1") is not None


async def test_a_beat_is_as_old_as_its_counter_stands_still() -> None:
    nodes, now = Nodes(), [100.0]
    beat, peers = beat_on(nodes), Peers(nodes, APP, clock=lambda: now[0])
    await beat.once()
    await peers.refresh()
    now[0] += 3
    await peers.refresh()
    assert peers.beat_age_s("n1") == 3.0
    await beat.once()
    await peers.refresh()
    now[0] += 1
    assert peers.beat_age_s("n1") == 1.0
    assert peers.beat_age_s("nobody") == 0.0
