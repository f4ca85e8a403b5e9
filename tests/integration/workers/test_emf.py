"""A worker that prints its metrics for CloudWatch."""

import json

import pytest

from tests.integration.workers.stage import Stage


async def test_a_worker_tells_its_metrics_at_its_end(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        pass

    stage.action("work", work, mode="queued")
    worker = await stage.worker(emf=True, emf_s=3600)
    await stage.finished(await stage.submit("work", {}))
    await stage.stop(worker)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    (ended,) = [line for line in lines if line.get("outcome") == "complete"]
    assert (ended["attempts"], ended["Service"], ended["action"]) == (1, "streamer-worker", "work")
