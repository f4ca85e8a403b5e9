"""Whether everything that is promised was kept: asked when the faults are over."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from streamer.cluster.registry import APP, WORKER
from streamer.jobs.dispatch import Kind
from tests.chaos.crew import Crew
from tests.chaos.errand import Errand
from tests.chaos.load import Load
from tests.support import index
from tests.support.invariants import check
from tests.support.processes import Process
from tests.support.system import System
from tests.support.until import until

REST_S: Final = 90.0
FAULTS_OF_OURS: Final = ("part_died", "attempt_crashed", "task_died", "reader_died", "internal_error", "attempt_failed")
"""Log events that no fault from outside may cause; none of the handlers here raises."""
EXPECTED_ERRORS: Final = frozenset({"WORKER_LOST"})


async def unrest(system: System, crew: Crew) -> list[str]:
    """What is still under way after a while of peace: nothing waits, runs, or is owned by the dead."""
    found = []
    try:
        await until(lambda: crew.is_complete, timeout_s=REST_S)
    except AssertionError:
        found.append("not all processes became ready again")
    for what in (_in_the_queue, _strangers, _held_by_strangers):
        found += await _remaining(what, system)
    return found


async def _remaining(what: Callable[[System], Awaitable[Sequence[str]]], system: System) -> Sequence[str]:
    found: Sequence[str] = ()

    async def is_nothing() -> bool:
        nonlocal found
        found = await what(system)
        return not found

    with suppress(AssertionError):
        await until(is_nothing, timeout_s=REST_S)
    return found


async def violations(system: System, crew: Crew, load: Load) -> list[str]:
    """All that is wrong once the system is at rest, in sentences. Ends the processes, as how they end is part of it."""
    found = client_violations(load)
    found += await _left_behind(system, crew)
    found += crew.ended_by_itself
    for process in system.processes:
        found += process_violations(process)
    try:
        await check(system.ledger, system.store)
    except AssertionError as error:
        found += str(error).splitlines()
    return found


# --- clients --------------------------------------------------------------------------------------------------


def client_violations(load: Load) -> list[str]:
    """What clients noticed themselves."""
    found = [trouble for client in load.clients for trouble in client.troubles]
    for client in load.clients:
        for errand in client.errands.values():
            about = f"{client.name}/{errand.request_id} ({errand.order.action})"
            found += [f"{about}: {trouble}" for trouble in (*errand.troubles, *_of_errand(errand))]
    return found


def _of_errand(errand: Errand) -> Iterator[str]:
    if errand.outcome is None:
        yield "no outcome" if errand.acknowledged_at is not None else "never acknowledged"
    elif errand.outcome["type"] == "error":
        code = errand.outcome["error"]["code"]
        if code not in EXPECTED_ERRORS and not (code == "CANCELLED" and errand.cancel_sent):
            yield f"ended with {errand.outcome['error']}"


# --- processes and the store ----------------------------------------------------------------------------------


def process_violations(process: Process) -> Iterator[str]:
    """What no fault from outside explains."""
    for name in FAULTS_OF_OURS:
        yield from (f"{process.name} logged {event}" for event in process.events(name))
    said = process.stderr.read_text().strip()
    if said:
        yield f"{process.name} said on standard error: {said[-2000:]}"


async def _in_the_queue(system: System) -> Sequence[str]:
    """Jobs that wait or run."""
    kinds = (Kind.READY, Kind.TIMER, Kind.RUNNING)
    return [
        f"{job} is still in {kind}#" for kind in kinds for job in await index.entries(system.store, kind, "default")
    ]


async def _strangers(system: System) -> Sequence[str]:
    """Rows of processes that are not there any more."""
    there = _living(system)
    return [f"{name} has a row and is not there" for name in await _registered(system) if name not in there]


async def _held_by_strangers(system: System) -> Sequence[str]:
    """Leases of the feed whose owners are not there any more."""
    if system.store.feeds is None:
        return []
    async with system.store.feeds.open() as feed:
        leases = await feed.leases()
    there = _living(system)
    return [
        f"{each.shard_id} is held by {each.owner}, who is not there"
        for each in leases
        if each.owner not in there and not each.is_done
    ]


async def _left_behind(system: System, crew: Crew) -> list[str]:
    """Rows that are there after everybody has left."""
    try:
        await crew.dismiss()
    except AssertionError as error:
        return [str(error)]
    return [f"{name} has left its row behind" for name in await _registered(system)]


async def _registered(system: System) -> Sequence[str]:
    return [row.node_id for kind in (APP, WORKER) for row in await system.store.nodes.list(kind)]


def _living(system: System) -> set[str | None]:
    """Node and session ids of the processes that run. A worker that was late goes on under another one, and its former
    row is there for a while, to be found dead."""
    running = [process for process in system.processes if process.exit_code is None]
    events = [event for process in running for event in process.events()]
    names = [event.get(field) for event in events for field in ("node", "session", "next")]
    former = {event["session"] for event in events if event["event"] == "session_late"}
    return {name for name in names if name is not None} - former
