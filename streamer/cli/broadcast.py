"""`streamer broadcast`: one message to everybody of a tenant, or to one user of it, from the shell."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from streamer.cli.call import payload_of
from streamer.cli.sentences import FAILED, INTERRUPTED, NO_CONNECTION, OK
from streamer.cluster.pace import RATE

if TYPE_CHECKING:
    from streamer.push import Broadcast


def broadcast(
    data: Annotated[str, typer.Argument(help="JSON, or @FILE, or - for standard input.")],
    tenant: Annotated[str, typer.Option(help="Whose connections.")],
    user: Annotated[str | None, typer.Option(help="Only those of this user.")] = None,
    rate: Annotated[int, typer.Option(min=1, help="Messages a second, at most.")] = RATE,
) -> None:
    """Send a message to all connections of a tenant, and print how many were sent, gone and failed.

    Needs the store and the cluster key pair, as nodes do (STREAMER_* variables). Exits with 0, 1 if some failed, 2 if
    the command is not understood, 3 if no node or no store answered.
    """
    message = payload_of(data)
    try:
        result = asyncio.run(_broadcast(message, tenant=tenant, user=user, rate=rate))
    except KeyboardInterrupt:
        typer.echo("Stopped; who was told is told.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(orjson.dumps({"sent": result.sent, "gone": result.gone, "failed": result.failed}))
    if result.fault is not None:
        typer.echo(f"The first failure: {result.fault}.", err=True)
    raise typer.Exit(exit_code(result))


async def _broadcast(message: Any, *, tenant: str, user: str | None, rate: int) -> "Broadcast":
    from streamer.push import pushing  # noqa: PLC0415  # an HTTP client: no other command is to wait for it

    async with pushing() as push:
        return await push.broadcast(message, tenant=tenant, user=user, rate=rate)


def exit_code(result: "Broadcast") -> int:
    """A connection that was gone is no failure."""
    if result.fault is None:
        return OK
    nobody_answered = result.sent == result.gone == 0 and result.fault.status is None
    return NO_CONNECTION if nobody_answered else FAILED
