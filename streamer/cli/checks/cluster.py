"""Whether the processes of the cluster have the same key pair."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from streamer.cluster.calls import Caller, Unreachable
from streamer.cluster.registry import APP, WORKER
from streamer.errors import StoreUnavailable
from streamer.process import cluster_keys, opened
from streamer.settings import Settings
from streamer.store.base import NodeRow
from streamer.store.finding import Finding, ok, unknown, wrong
from streamer.telemetry.metrics import Metrics

HARMLESS: Final = {APP: ("GET", "/@connections/none", b""), WORKER: ("POST", "/internal/flush", b'{"jobs":[]}')}
"""What a process answers without doing anything, where the signature holds."""
AT_MOST: Final = 50
FORBIDDEN: Final = 403
SAME: Final = "Set the same STREAMER_CLUSTER_KEY_ID and STREAMER_CLUSTER_SECRET for every node and worker."


def examine(settings: Settings) -> list[Finding]:
    """What is wrong before anybody is called; none: nothing."""
    return [
        wrong("cluster", fault, "`streamer dev` makes a pair by itself: look with --dev.")
        for fault in settings.cluster_faults()
    ]


async def compare(settings: Settings, offset_s: float | None) -> list[Finding]:
    """Calls the processes that are registered in the store, by the store's clock: an old signature is refused too."""
    try:
        async with opened(settings, Metrics()) as store:
            rows = [row for kind in (APP, WORKER) for row in await store.nodes.list(kind)][:AT_MOST]
    except StoreUnavailable as error:
        return [unknown("cluster", f"Who is registered cannot be read: {error}")]
    if not rows:
        return [ok("cluster", "The key pair is set. Nobody is registered to compare it with.")]
    return _told(rows, await _statuses(rows, settings, offset_s or 0.0))


async def _statuses(rows: Sequence[NodeRow], settings: Settings, offset_s: float) -> list[int | None]:
    """Of each answer; None where none came."""
    async with Caller(cluster_keys(settings)[0], clock=lambda: time.time() - offset_s) as caller:

        async def status(row: NodeRow) -> int | None:
            method, path, body = HARMLESS[row.kind]
            try:
                return (await caller.call(str(row.info.get("endpoint")), method, path, body)).status
            except (Unreachable, ValueError):  # ValueError: of an endpoint that is none
                return None

        return await asyncio.gather(*map(status, rows))


def _told(rows: Sequence[NodeRow], statuses: Sequence[int | None]) -> list[Finding]:
    answers = [
        (f"{_KINDS[row.kind]} {row.node_id} at {row.info.get('endpoint')}", status)
        for row, status in zip(rows, statuses, strict=True)
    ]
    refusing = [who for who, status in answers if status == FORBIDDEN]
    silent = [who for who, status in answers if status is None]
    found = [wrong("cluster", f"The {who} has another cluster key pair: it refuses ours.", SAME) for who in refusing]
    found += [unknown("cluster", f"The {who} does not answer.", _IF_SILENT) for who in silent]
    agreeing = len(answers) - len(refusing) - len(silent)
    if agreeing:
        found.append(ok("cluster", f"{agreeing} of {len(answers)} registered processes have this key pair."))
    return found


_KINDS: Final = {APP: "node", WORKER: "worker"}
_IF_SILENT: Final = "It has died, or its internal port is closed to this machine."
