"""`streamer doctor` beside real nodes and workers."""

import asyncio
import json
import sys
from typing import Any

import pytest

from tests.support.store import Engine
from tests.support.system import SETTINGS, System


async def findings(streamer: System, **env: str) -> list[dict[str, Any]]:
    """What it says of the cluster and the ports."""
    place = {"STREAMER_STORE": streamer.engine.url, "STREAMER_TABLE_PREFIX": streamer.engine.table_prefix}
    ports = dict.fromkeys(("STREAMER_PORT", "STREAMER_INTERNAL_PORT", "STREAMER_WORKER_PORT"), "0")
    asked = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streamer", "doctor", "--json"),
        env={**_OTHERS, **SETTINGS, **place, **streamer.engine.environment, **ports, **env},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asked.communicate()
    return [finding for finding in json.loads(output)["findings"] if finding["check"] in ("cluster", "ports")]


_OTHERS = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}


async def test_a_node_with_another_secret_is_named(streamer: System) -> None:
    other = await streamer.node(STREAMER_CLUSTER_SECRET="another secret than that of the others")
    await streamer.worker()
    told = {finding["verdict"]: finding for finding in await findings(streamer)}
    node_id = other.events("node_ready")[0]["node"]
    assert f"The node {node_id} at http://" in told["wrong"]["what"]
    assert "has another cluster key pair" in told["wrong"]["what"]
    assert "STREAMER_CLUSTER_SECRET" in told["wrong"]["remedy"]
    assert {finding["what"] for finding in await findings(streamer)} >= {
        "1 of 2 registered processes have this key pair."
    }


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_a_port_on_which_a_node_answers_may_be_meant(streamer: System, engine: Engine) -> None:
    assert engine.name == "sqlite"
    node = await streamer.node()
    port = (await node.url()).rpartition(":")[2]
    (ports,) = [each for each in await findings(streamer, STREAMER_PORT=port) if each["check"] == "ports"]
    assert ports["verdict"] == "unknown"
    assert f"(process {node.pid})" in ports["what"]
