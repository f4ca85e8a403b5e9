"""A node that prints its metrics for CloudWatch."""

import json
from pathlib import Path

import pytest

from tests.integration.app.house import house


async def test_a_node_tells_its_metrics_at_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with house(tmp_path, emf=True, emf_s=3600) as node:
        await (await node.client()).ask(action="echo", id="r1")
        node_id = node.node.node_id
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    (accepted,) = [line for line in lines if line.get("result") == "accepted"]
    assert (accepted["handshakes"], accepted["Service"], accepted["Instance"]) == (1, "streamer-app", node_id)
