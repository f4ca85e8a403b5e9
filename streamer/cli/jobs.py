"""`streamer jobs`: what waits, runs and failed, and what an operator does about it."""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, TypeVar

import orjson
import typer

from streamer.cli import account
from streamer.cli.duration import duration
from streamer.cli.operator import operating, whoever
from streamer.cli.sentences import FAILED, INTERRUPTED
from streamer.cli.table import table
from streamer.errors import NotFound
from streamer.jobs.model import Body, Job, Status
from streamer.operations import Operator
from streamer.store.admin import Standing
from streamer.store.base import now_ms
from streamer.telemetry import audit

T = TypeVar("T")

LOOKED_AT_S: Final = 20
"""So often a worker reads its own rows, and finds that a job was cancelled."""

jobs = typer.Typer(
    name="jobs", help="The jobs in the store.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)

JobId = Annotated[str, typer.Argument(help="The job_id of its acknowledgment, or of `streamer jobs list`.")]
SomeJobId = Annotated[str | None, typer.Argument(metavar="[JOB_ID]", help="One dead letter.")]
Queue = Annotated[str, typer.Option(help="Whose jobs.")]
Action = Annotated[str | None, typer.Option(help="Only those of this action.")]
Json = Annotated[bool, typer.Option("--json", help="Print each as a line of JSON.")]
JsonDone = Annotated[bool, typer.Option("--json", help="Print what was done as a line of JSON.")]
All = Annotated[bool, typer.Option("--all", help="Instead of JOB_ID: all dead letters of the queue.")]


@jobs.command("list")
def list_(
    queue: Queue = "default",
    status: Annotated[Standing | None, typer.Option(help="Where they stand; all of them if absent.")] = None,
    user: Annotated[str | None, typer.Option(help="Of this user of --tenant, the newest first, in any queue.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only those of this tenant.")] = None,
    action: Action = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most.")] = 50,
    json: Json = False,
) -> None:
    """List jobs that run, wait, are delayed or failed for good; with --user also those that have ended."""
    if user is not None and tenant is None:
        raise typer.BadParameter("--user goes with --tenant.")

    async def listed() -> Sequence[Job]:
        async with operating() as operator:
            admin = operator.store.admin
            if user is not None and tenant is not None:
                return await admin.list_by_user(tenant, user, limit=limit, standing=status, action=action)
            found: list[Job] = []
            for standing in Standing if status is None else [status]:
                room = limit - len(found)
                page = await admin.list_jobs(queue, standing, limit=room, action=action, tenant=tenant)
                found += page.jobs
            return found

    _print(run(listed()), json=json)


@jobs.command()
def count(queue: Queue = "default", json: Json = False) -> None:
    """Count the jobs of a queue by where they stand."""

    async def counted() -> dict[str, int]:
        async with operating() as operator:
            return {standing.value: number for standing, number in (await operator.store.admin.count(queue)).items()}

    found = run(counted())
    typer.echo(orjson.dumps(found) if json else table(list(found), [[str(number) for number in found.values()]]))


@jobs.command()
def show(
    job_id: JobId,
    payload: Annotated[bool, typer.Option("--payload", help="Its payload and result, too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print it as a line of JSON.")] = False,
) -> None:
    """Show everything about a job but its payload and result."""

    async def shown() -> tuple[Job, dict[str, Any]]:
        async with operating() as operator:
            job = await operator.job(job_id)
            return job, account.values(job) | (await _contents(operator, job) if payload else {})

    job, told = run(shown(), missing=f"There is no job {job_id}.")
    typer.echo(orjson.dumps(told) if json else "\n".join(account.lines(told, job, now_ms())))


@jobs.command()
def cancel(job_id: JobId, json: JsonDone = False) -> None:
    """Cancel a job that waits or runs; who waits for it gets the outcome CANCELLED."""

    async def cancelled() -> tuple[Job, bool]:
        async with operating() as operator:
            return await operator.cancel(job_id)

    row, is_told = run(cancelled(), missing=f"There is no job {job_id}.")
    done = {"job_id": row.job_id, "status": row.status, "told": is_told}
    typer.echo(orjson.dumps(done) if json else _said_of_cancel(row, is_told=is_told))
    if row.finished and row.status is not Status.CANCELLED:
        raise typer.Exit(FAILED)


@jobs.command()
def redrive(
    job_id: SomeJobId = None,
    every: All = False,
    action: Action = None,
    queue: Queue = "default",
    json: JsonDone = False,
) -> None:
    """Run a dead letter again as a new job, or all of --action. The dead letter leaves the list.

    Interrupted, the same command goes on with those that are left.
    """
    _check_choice(job_id, every=every, action=action)
    if job_id is not None:
        again = run(_redriven(job_id), missing=f"There is no dead letter {job_id}, or its payload is gone.")
        typer.echo(orjson.dumps({"job_id": again.job_id, "redrive_of": job_id}) if json else again.job_id)
        return
    if action is None:
        raise typer.BadParameter("--all goes with --action.")
    done, gone = run(_all_redriven(queue, action))
    typer.echo(orjson.dumps({"redriven": done, "passed_over": gone}) if json else _said_of_redrive(done, gone))


@jobs.command()
def purge(
    job_id: SomeJobId = None,
    every: All = False,
    action: Action = None,
    queue: Queue = "default",
    older_than: Annotated[str | None, typer.Option(help="Only what failed before: 90s, 15m, 1h, 7d.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonDone = False,
) -> None:
    """Delete a dead letter for good, or all of them, with everything that lies beside them."""
    _check_choice(job_id, every=every, action=action, older_than=older_than)
    age = duration(older_than) if older_than is not None else timedelta()
    if not yes:
        typer.confirm(f"Delete {_named(job_id, queue, action, older_than)} for good?", abort=True, err=True)
    if job_id is not None:
        run(_purged(job_id), missing=f"There is no dead letter {job_id}.")
    done = 1 if job_id is not None else run(_all_purged(queue, action, age))
    typer.echo(orjson.dumps({"purged": done}) if json else f"{done} purged.")


async def _redriven(job_id: str) -> Job:
    async with operating() as operator:
        again = await operator.redrive(job_id)
        _audit_redrive(job_id, again)
        return again


async def _all_redriven(queue: str, action: str) -> tuple[int, int]:
    """Nobody is told: sweeps find so many better."""
    async with operating() as operator:
        done = gone = 0
        async for each in operator.store.admin.redrive_all(queue, action):
            if each.again is None:
                gone += 1
            else:
                done += 1
                _audit_redrive(each.dead.job_id, each.again)
        return done, gone


def _audit_redrive(dead: str, again: Job) -> None:
    whose = {"owner": again.user, "owner_tenant": again.tenant, "action": again.action, "job_id": again.job_id}
    audit.record("redrive", None, result=again.status, operator=whoever(), redrive_of=dead, **whose)


async def _purged(job_id: str) -> None:
    async with operating() as operator:
        await operator.store.admin.purge(job_id)


async def _all_purged(queue: str, action: str | None, age: timedelta) -> int:
    before_ms = now_ms() - int(age.total_seconds() * 1000) + 1
    async with operating() as operator:
        purges = operator.store.admin.purge_all(queue, ended_before_ms=before_ms, action=action)
        return len([job.job_id async for job in purges])


def run(coroutine: Coroutine[Any, Any, T], *, missing: str = "There is no such job.") -> T:
    """Runs it to its end; NotFound is the sentence `missing`, Ctrl-C one of its own."""
    try:
        return asyncio.run(coroutine)
    except NotFound:
        typer.echo(missing, err=True)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        typer.echo("Stopped; what is done is done, and the same command goes on from there.", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _check_choice(job_id: str | None, *, every: bool, **filters: str | None) -> None:
    if (job_id is None) != every:
        raise typer.BadParameter("Name a JOB_ID, or --all.")
    given = [f"--{name.replace('_', '-')}" for name, value in filters.items() if value is not None]
    if job_id is not None and given:
        raise typer.BadParameter(f"{' and '.join(given)}: with --all, not with a JOB_ID.")


def _named(job_id: str | None, queue: str, action: str | None, older_than: str | None) -> str:
    if job_id is not None:
        return f"the dead letter {job_id}"
    of_action = f" of {action}" if action else ""
    return f"all dead letters{of_action} in the queue {queue}{f' older than {older_than}' if older_than else ''}"


def _print(found: Sequence[Job], *, json: bool) -> None:
    if json:
        for job in found:
            typer.echo(orjson.dumps(account.values(job)))
    elif found:
        now = now_ms()
        typer.echo(table(account.HEADER, (account.row(job, now) for job in found)))
    if not found:
        typer.echo("There is no such job.", err=True)


async def _contents(operator: Operator, job: Job) -> dict[str, Any]:
    """Payload, metadata and result; what has been deleted is left out."""
    bodies: dict[str, Body | None] = {"payload": job.payload, "result": job.result}
    found: dict[str, Any] = {"metadata": dict(job.metadata)} if job.metadata else {}
    for name, body in bodies.items():
        try:
            if body is not None:
                found[name] = orjson.loads(await operator.store.requests.load(job, body))
        except NotFound:
            typer.echo(f"Its {name} is gone.", err=True)
    return found


def _said_of_redrive(done: int, gone: int) -> str:
    return f"{done} redriven, {gone} passed over because their payload is gone." if gone else f"{done} redriven."


def _said_of_cancel(row: Job, *, is_told: bool) -> str:
    if row.status is Status.CANCELLED:
        return "Cancelled."
    if row.finished:
        return f"It had ended before: {row.status}."
    return "Its worker is stopping it." if is_told else f"It is stopped within {LOOKED_AT_S} s."
