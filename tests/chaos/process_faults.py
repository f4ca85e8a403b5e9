"""What happens to processes and to the network before them."""

import asyncio
from typing import Final

from tests.chaos.stage import Stage

BEYOND_DEATH_S: Final = (2.0, 5.0)
"""How much longer a worker stands still than it takes the others to bury it."""


async def kill_worker(stage: Stage) -> None:
    """SIGKILL."""
    with stage.crew.victim("worker", stage.chance) as worker:
        worker.kill()


async def terminate_worker(stage: Stage) -> None:
    """SIGTERM: it finishes what it can, and gives the rest back."""
    with stage.crew.victim("worker", stage.chance) as worker:
        worker.terminate()


async def freeze_worker_for_a_moment(stage: Stage) -> None:
    """SIGSTOP for less than a death takes."""
    await _freeze(stage, "worker", stage.chance.uniform(0.2, 0.75) * stage.dead_s)


async def freeze_worker_beyond_its_death(stage: Stage) -> None:
    """SIGSTOP until the others have buried it, and then some."""
    await _freeze(stage, "worker", stage.dead_s + stage.chance.uniform(*BEYOND_DEATH_S))


async def kill_node(stage: Stage) -> None:
    with stage.crew.victim("app", stage.chance) as node:
        node.kill()


async def terminate_node(stage: Stage) -> None:
    with stage.crew.victim("app", stage.chance) as node:
        node.terminate()


async def freeze_node(stage: Stage) -> None:
    """Its sockets stay open, and nothing comes out of them."""
    await _freeze(stage, "app", stage.chance.uniform(1.0, 6.0))


async def cut_clients(stage: Stage) -> None:
    """Every client's socket ends in the middle of whatever is said on it."""
    stage.switch.cut()


async def poison(stage: Stage) -> None:
    """A job ends the worker that runs it."""
    stage.load.poison()


async def _freeze(stage: Stage, kind: str, seconds: float) -> None:
    with stage.crew.victim(kind, stage.chance) as member:
        await stage.system.freeze(member.process)
        try:
            await asyncio.sleep(seconds)
        finally:
            member.process.thaw()
