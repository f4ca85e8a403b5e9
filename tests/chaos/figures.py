"""What a run was like, in numbers."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.chaos.errand import Errand
from tests.chaos.load import Load
from tests.chaos.plan import Plan
from tests.support.ledger import Ledger
from tests.support.processes import Process

NOTABLE: Final = ("session_late", "process_dead", "job_lost", "attempt_fenced", "job_released")
"""Log events that are no faults, and tell how much there was to recover from."""

SLOWEST: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Times in seconds."""

    plan: Plan
    submitted: int
    acknowledged: int
    outcomes: Mapping[str, int]  # by `complete`, or the code of the error
    attempts: Mapping[int, int]  # how many jobs took so many
    refusals: Mapping[str, int]  # by code
    faults: Mapping[str, int]
    connections: int
    frames: int
    slowest: Sequence[Errand]  # of those that were not cancelled
    excess: Sequence[float]  # of each job that was not cancelled, beyond its handler and its delay; in order
    undisturbed: Sequence[float]  # of those, the ones that took one attempt
    events: Mapping[str, int]  # of the notable ones
    processes: int
    store_calls: Mapping[str, int]
    seconds: float  # from the first process to the last outcome

    def lines(self) -> Iterator[str]:
        """For people."""
        plan = self.plan
        yield f"{plan.workers} workers, {plan.nodes} nodes, {plan.clients} clients, {plan.store}, seed {plan.seed}"
        yield f"{self.seconds:.0f} s, {self.processes} processes in all, {self.connections} connections"
        yield f"jobs: {self.submitted} submitted, {self.acknowledged} acknowledged; {_listed(self.outcomes)}"
        yield f"attempts per job: {_listed(self.attempts)}"
        yield f"from the acknowledgment to the outcome, beyond the handler's time: {_times(self.excess)}"
        yield f"those of one attempt: {_times(self.undisturbed)}"
        yield f"longest recoveries: {'; '.join(map(_recovery, self.slowest))}"
        yield f"{self.frames} frames; refused, and sent again: {_listed(self.refusals) or 'none'}"
        yield f"{sum(self.faults.values())} faults: {_listed(self.faults)}"
        yield f"log: {_listed(self.events) or 'nothing'}"
        if self.store_calls:
            rate = sum(self.store_calls.values()) / self.seconds
            yield f"{rate:.0f} calls of the store per second: {_listed(self.store_calls)}"


def drawn(
    plan: Plan,
    load: Load,
    ledger: Ledger,
    processes: Sequence[Process],
    *,
    faults: Mapping[str, int],
    store_calls: Mapping[str, int],
    seconds: float,
) -> Figures:
    """The figures of a run that has ended."""
    ended = [errand for errand in load.errands if errand.outcome is not None]
    counted = [errand for errand in ended if not errand.cancel_sent]
    return Figures(
        plan=plan,
        submitted=len(load.errands),
        acknowledged=len(ledger.acknowledged),
        outcomes=Counter(_kind(errand) for errand in ended),
        attempts=Counter(errand.place[0] for errand in ended),
        refusals=sum((client.refusals for client in load.clients), Counter[str]()),
        faults=faults,
        connections=sum(client.visits for client in load.clients),
        frames=sum(map(len, ledger.history.values())),
        slowest=sorted(counted, key=lambda errand: errand.excess_s, reverse=True)[:SLOWEST],
        excess=sorted(errand.excess_s for errand in counted),
        undisturbed=sorted(errand.excess_s for errand in counted if errand.place[0] == 1),
        events=Counter(
            event["event"] for process in processes for event in process.events() if event["event"] in NOTABLE
        ),
        processes=len(processes),
        store_calls=store_calls,
        seconds=seconds,
    )


def _kind(errand: Errand) -> str:
    assert errand.outcome is not None
    kind: str = errand.outcome["type"]
    return kind if kind == "complete" else errand.outcome["error"]["code"]


def _recovery(errand: Errand) -> str:
    assert errand.outcome is not None
    return f"{errand.excess_s:.1f} s in {errand.place[0]} attempts ({errand.outcome['job_id']})"


def _times(times: Sequence[float]) -> str:
    return ", ".join(f"p{share} {_at(times, share):.3f} s" for share in (50, 90, 99))


def _at(times: Sequence[float], percent: int) -> float:
    return times[min(len(times) - 1, len(times) * percent // 100)] if times else 0.0


def _listed(counts: Mapping[str, int] | Mapping[int, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))
