"""`python -m tests.chaos`: one run; 0 where everything was kept that is promised. See docs/chaos.md."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamer.jobs import ids
from tests.chaos.plan import Plan, parsed
from tests.chaos.run import Report, run
from tests.support.dynamodb_local import DynamoDBLocal
from tests.support.store import Engine


def main() -> int:
    plan = parsed(sys.argv[1:])
    folder = Path(tempfile.mkdtemp(prefix=f"streamer-chaos-{plan.seed}-"))
    _say(f"seed {plan.seed}; the processes' logs are in {folder}")
    with _engine(plan, folder) as engine:
        report = asyncio.run(_run(plan, engine, folder))
    for line in report.figures.lines():
        _say(line)
    return _end(report, plan, folder)


async def _run(plan: Plan, engine: Engine, folder: Path) -> Report:
    async with engine.open() as store:
        await store.create()
    return await run(plan, engine, folder, _say)


def _end(report: Report, plan: Plan, folder: Path) -> int:
    if not report.violations:
        if not plan.keep:
            shutil.rmtree(folder)
        _say("nothing was lost, and nobody was told two things")
        return 0
    for violation in report.violations:
        _say(f"VIOLATION {violation}")
    _say(f"{len(report.violations)} violations; seed {plan.seed}; the processes' logs are kept in {folder}")
    return 1


@contextmanager
def _engine(plan: Plan, folder: Path) -> Iterator[Engine]:
    if plan.store == "sqlite":
        yield Engine("sqlite", f"sqlite:///{folder}/streamer.db")
        return
    with DynamoDBLocal(own=True) as server:
        os.environ.update(server.environment)
        yield Engine("dynamodb", "dynamodb", f"chaos_{ids.nonce()}_", server.environment)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
