"""`streamer data`: everything of a user or a tenant, deleted."""

import asyncio
from typing import Annotated, Final

import orjson
import typer

from streamer.cli.jobs import run
from streamer.cli.operator import operating
from streamer.store.admin import Erased

END_S: Final = 2.0
"""So long an attempt that was told to stop may go on to store output."""
UNTOLD_END_S: Final = 25.0
"""The same where its worker finds out by itself, when it reads its rows: every 20 s."""

data = typer.Typer(
    name="data", help="The data of users.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)


@data.callback()
def _data() -> None:
    return


@data.command()
def delete(
    tenant: Annotated[str, typer.Option(help="Whose data.")],
    user: Annotated[str | None, typer.Option(help="Only that of this user.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete everything of a user, or of a whole tenant, and print how much it was.

    Jobs in any state with their payloads, output and results, inboxes, subscriptions, rows of connections. What runs is
    stopped. Take their tokens away first; calling it again deletes what came meanwhile.
    """
    if not yes:
        whom = f"the tenant {tenant}" if user is None else f"the user {user} of {tenant}"
        typer.confirm(f"Delete everything of {whom} for good?", abort=True, err=True)
    erased = run(_erased(tenant, user))
    typer.echo(orjson.dumps({name: getattr(erased, name) for name in ("jobs", "items", "watches", "connections")}))


async def _erased(tenant: str, user: str | None) -> Erased:
    async with operating() as operator:
        erased = await operator.store.admin.erase(tenant, user)
        if erased.stopped:
            is_told = await operator.stop(erased.stopped)
            typer.echo(f"Waiting for {len(erased.stopped)} attempts to end.", err=True)
            await asyncio.sleep(END_S if is_told else UNTOLD_END_S)
            await operator.store.admin.erase_beside(erased.stopped)
        return erased
