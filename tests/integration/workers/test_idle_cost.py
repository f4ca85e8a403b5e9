"""What a worker asks of the store while nothing happens: docs/queue.md counts in these calls."""

from collections import Counter

from streamer.cluster.registry import APP, WORKER
from streamer.jobs import ids
from streamer.jobs.dispatch import SHARDS
from tests.integration.workers.stage import SHORT, FakeNode, Stage
from tests.support.store import Engine
from tests.support.until import until

NEVER_S = 3_600.0


async def test_an_idle_worker_asks_for_what_a_sweep_and_a_beat_need_and_no_more(engine: Engine) -> None:
    calls: Counter[str] = Counter()
    async with engine.open(observer=lambda verb, _seconds, _error: calls.update([verb])) as store:
        still = {"session_beat_s": NEVER_S, "session_dead_s": 3 * NEVER_S, "sweep_s": NEVER_S, "wakeups": ("sweep",)}
        stage = Stage(store, FakeNode(), {**SHORT, "store": engine.url, "queues": (f"q-{ids.nonce()}",), **still})
        worker = await stage.worker()
        start = Counter({"beat": 1, "list_nodes": 2, "entries": SHARDS * 2})
        await until(lambda: calls >= start)
        assert {verb: calls[verb] for verb in start} == start
        calls.clear()
        for _ in range(3):
            await worker.parts.wakeups.sweep()
        assert calls == {"entries": 3 * SHARDS * 2}
        calls.clear()
        for _ in range(3):
            await worker.parts.session.beat()
            for kind in (WORKER, APP):
                await worker.parts.rescue.look(kind)
        assert calls == {"beat": 3, "list_nodes": 3 * 2}
        await stage.close()
