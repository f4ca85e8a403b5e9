"""What happens between processes and the store."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.chaos.crew import Nobody
from tests.chaos.stage import Stage
from tests.support.fault_proxy import ANY, Answer, Delay, DropAnswer, Fault, FaultProxy, Hang, Reset

SECONDS: Final = (1.0, 6.0)
OUTAGE_S: Final = (0.5, 6.0)


async def answers_are_lost(stage: Stage) -> None:
    """Calls are applied, and their caller does not hear of it."""
    await _some_calls(stage, DropAnswer(), 0.3)


async def connections_are_reset(stage: Stage) -> None:
    await _some_calls(stage, Reset(), 0.3)


async def server_errors(stage: Stage) -> None:
    await _some_calls(stage, Answer(500, "InternalServerError"), 0.3)


async def throttling(stage: Stage) -> None:
    await _some_calls(stage, Answer(400, "ThrottlingException"), 0.5)


async def calls_hang(stage: Stage) -> None:
    await _some_calls(stage, Hang(), 0.2)


async def calls_are_late(stage: Stage) -> None:
    await _some_calls(stage, Delay(stage.chance.uniform(0.05, 0.4)), 0.5)


async def away_for_one(stage: Stage) -> None:
    """One process does not reach the store."""
    await _away(stage, [_one(stage)])


async def away_for_all(stage: Stage) -> None:
    await _away(stage, stage.crew.proxies)


async def _some_calls(stage: Stage, fault: Fault, share: float) -> None:
    """So many of the calls of one process meet the fault for a while."""
    with _broken(_one(stage), fault, stage, share):
        await asyncio.sleep(stage.chance.uniform(*SECONDS))


@contextmanager
def _broken(proxy: FaultProxy, fault: Fault, stage: Stage, share: float) -> Iterator[None]:
    rule = proxy.on(ANY, fault, onwards=True, odds=lambda: stage.chance.random() < share)
    try:
        yield
    finally:
        proxy.off(rule)


async def _away(stage: Stage, proxies: list[FaultProxy]) -> None:
    refuse = stage.chance.random() < 1 / 2
    for proxy in proxies:
        proxy.cut(refuse=refuse)
    try:
        await asyncio.sleep(stage.chance.uniform(*OUTAGE_S))
    finally:
        for proxy in proxies:
            proxy.heal()


def _one(stage: Stage) -> FaultProxy:
    if not stage.crew.proxies:
        raise Nobody
    return stage.chance.choice(stage.crew.proxies)
