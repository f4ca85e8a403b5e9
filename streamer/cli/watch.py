"""`streamer watch`: a job that somebody submitted, from the shell."""

from typing import Annotated, Final

import typer

from streamer.cli.call import DEFAULT_URL, Chunks, Json, Output, Token, Url, id_of, wait_for

EVENTS: Final = ("progress", "chunk", "retrying")


def events_of(names: list[str] | None) -> list[str] | None:
    """What an option names. typer.BadParameter for an event that there is not."""
    for name in names or ():
        if name not in EVENTS:
            raise typer.BadParameter(f"{name} is not one of {', '.join(EVENTS)}.")
    return names or None


def watch(
    job_id: Annotated[str, typer.Argument(callback=id_of, help="The job_id of its acknowledgment.")],
    url: Url = DEFAULT_URL,
    token: Token = None,
    events: Annotated[
        list[str] | None,
        typer.Option(callback=events_of, help="Only progress, chunk or retrying; may be given again. All if absent."),
    ] = None,
    chunks: Chunks = False,
    json: Json = False,
) -> None:
    """Show how a job goes on, and print its result as JSON.

    A job of one's own, or with the permission requests:watch any of one's tenant. What was before is told too. Exits as
    `streamer call` does.
    """
    wait_for(
        lambda session: session.watch(job_id, events),
        url=url,
        token=token,
        output=Output(events=json, chunks=chunks),
    )
