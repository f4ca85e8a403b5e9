"""The chaos run, short: processes die, sockets are cut, the store fails, and nothing that was acknowledged is lost."""

from pathlib import Path

import pytest

from tests.chaos.plan import Plan
from tests.chaos.run import run
from tests.support.store import Engine

MINUTES = {"sqlite": 0.5, "dynamodb": 1.0}


@pytest.mark.alone
@pytest.mark.timeout(480)
async def test_chaos(own_engine: Engine, tmp_path: Path) -> None:
    minutes = MINUTES[own_engine.name]
    plan = Plan(minutes=minutes, workers=2, nodes=2, clients=40, store=own_engine.name, fault_every_s=2.5)
    noted: list[str] = []
    report = await run(plan, own_engine, tmp_path, noted.append)
    story = "\n".join([*noted, *report.figures.lines(), *report.violations, f"logs: {tmp_path}"])
    assert not report.violations, story
    assert report.figures.faults, story
    assert report.figures.outcomes.get("complete"), story
