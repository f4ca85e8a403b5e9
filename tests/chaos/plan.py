"""What a chaos run is to be: how long, how many, on what, from which seed."""

import random
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

JOBS_PER_S: Final[Mapping[str, float]] = {"dynamodb": 5.0, "sqlite": 12.0}
"""What the store holds beside everything else on two cores; DynamoDB Local does 110 to 280 writes/s there, a job
makes about seven, and recoveries make more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The parameters of a run. `jobs_per_s` 0: what the store holds. `seed`: the same faults and orders again, though
    not at the same moments of the system."""

    minutes: float = 10.0
    workers: int = 4
    nodes: int = 2
    clients: int = 200
    store: str = "dynamodb"
    jobs_per_s: float = 0.0
    fault_every_s: float = 4.0
    settle_s: float = 180.0  # how long all clients may wait for their outcomes once the faults have stopped
    wakeups: str = "direct,stream,sweep"
    keep: bool = False  # the logs, though all went well
    seed: int = field(default_factory=lambda: random.SystemRandom().randrange(1_000_000))

    @property
    def pace(self) -> float:
        """Jobs per second, of all clients."""
        return self.jobs_per_s or JOBS_PER_S[self.store]

    def chance(self, what: str) -> random.Random:
        """The dice of one part of the run: it throws the same whatever the other parts do."""
        return random.Random(f"{self.seed} {what}")


def parsed(arguments: Sequence[str]) -> Plan:
    """The plan that a command line asks for; ends the process with a sentence where it cannot be one."""
    parser = ArgumentParser(prog="python -m tests.chaos", description="Streamer under faults, all the time.")
    standard = Plan(seed=0)
    for name in ("workers", "nodes", "clients"):
        parser.add_argument(f"--{name}", type=int, default=getattr(standard, name))
    for name in ("minutes", "jobs-per-s", "fault-every-s", "settle-s"):
        parser.add_argument(f"--{name}", type=float, default=getattr(standard, name.replace("-", "_")))
    parser.add_argument("--store", choices=sorted(JOBS_PER_S), default=standard.store)
    parser.add_argument("--wakeups", default=standard.wakeups, help="STREAMER_WAKEUPS of all processes")
    parser.add_argument("--keep", action="store_true", help="keep the logs though all went well")
    parser.add_argument("--seed", type=int, help="of an earlier run")
    given: dict[str, Any] = vars(parser.parse_args(arguments))
    return Plan(**{name: value for name, value in given.items() if value is not None})
