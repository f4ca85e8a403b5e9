"""`streamer call`: one request from the shell."""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from streamer.cli.bar import bar
from streamer.cli.completion import actions
from streamer.cli.sentences import INTERRUPTED
from streamer.client import Chunk, Event, Session, Submission, connect
from streamer.jobs import ids

DEFAULT_URL: Final = "http://127.0.0.1:8080"

Start = Callable[[Session], Submission]

Url = Annotated[str, typer.Option(envvar="STREAMER_URL", help="Where a node is.")]
Token = Annotated[str | None, typer.Option(envvar="STREAMER_TOKEN", help="A JWT.", show_envvar=True)]
Chunks = Annotated[bool, typer.Option("--chunks", help="Print chunks as lines of JSON before the result.")]
Json = Annotated[bool, typer.Option("--json", help="Print every event as a line of JSON.")]


@dataclass(frozen=True, slots=True)
class Output:
    """What goes to stdout: every event as a line, or the result at the end, with chunks before it or without."""

    events: bool = False
    chunks: bool = False


def id_of(text: str | None) -> str | None:
    """The request id that an option names. typer.BadParameter if it is none."""
    if text is not None and not ids.CLIENT_ID.fullmatch(text):
        raise typer.BadParameter(f"{text} is not an id: 1 to 128 letters, digits or . _ : ~ -")
    return text


def call(
    action: Annotated[
        str | None, typer.Argument(autocompletion=actions, help="The name of the action, for example echo.")
    ] = None,
    payload: Annotated[str | None, typer.Argument(help="JSON (default {}), or @FILE, or - for standard input.")] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    request_id: Annotated[
        str | None, typer.Option("--id", callback=id_of, help="The idempotency key; made here if absent.")
    ] = None,
    option: Annotated[list[str] | None, typer.Option("--option", "-o", help="For example priority=high.")] = None,
    durable: Annotated[bool, typer.Option("--durable", help="Keep the outcome until it is acknowledged.")] = False,
    resume: Annotated[
        str | None,
        typer.Option(metavar="ID", callback=id_of, help="Instead of ACTION: a request that was sent before."),
    ] = None,
    chunks: Chunks = False,
    json: Json = False,
) -> None:
    """Call an action and print its result as JSON; a connection that is lost is taken up again.

    Exits with 0, 1 if the request failed, 2 if the command is not understood, 3 if there is no connection.
    """
    if resume is None:
        start = _submit(action, payload, request_id, options_of(option or []) | ({"durable": True} if durable else {}))
    else:
        others = {"ACTION": action, "PAYLOAD": payload, "--id": request_id, "--option": option, "--durable": durable}
        start = _resume(resume, others)
    wait_for(start, url=url, token=token, output=Output(events=json, chunks=chunks))


def _submit(action: str | None, payload: str | None, request_id: str | None, options: dict[str, Any]) -> Start:
    if action is None:
        raise typer.BadParameter("Name an ACTION, or with --resume a request that was sent before.")
    content = payload_of("{}" if payload is None else payload)
    return lambda session: session.submit(action, content, id=request_id, options=options or None)


def _resume(request_id: str, others: Mapping[str, object]) -> Start:
    """`others` is what a new request may have."""
    given = [name for name, value in others.items() if value]
    if given:
        raise typer.BadParameter(f"--resume goes without {', '.join(given)}.")
    return lambda session: session.resume(request_id)


def wait_for(start: Start, *, url: str, token: str | None, output: Output) -> None:
    """Prints what comes of the request that `start` makes, until its outcome. Raises ClientError; Ctrl-C leaves the
    request alone."""
    try:
        asyncio.run(_ask(start, url=url, token=token, output=output))
    except KeyboardInterrupt:
        typer.echo("Stopped waiting; the request goes on at the server.", err=True)
        raise typer.Exit(INTERRUPTED) from None


async def _ask(start: Start, *, url: str, token: str | None, output: Output) -> None:
    with reconnects_shown():
        async with connect(url, token) as session:
            submission = start(session)
            if output.events:
                await _print_events(submission)
            else:
                await _watch(submission, output)
            result = await submission
    if not output.events:
        typer.echo(orjson.dumps(result, option=orjson.OPT_INDENT_2))


async def _print_events(submission: Submission) -> None:
    async for event in submission:
        typer.echo(orjson.dumps(as_frame(event)))


async def _watch(submission: Submission, output: Output) -> None:
    with bar(submission.request_id, shown=sys.stderr.isatty()) as show:
        async for event in submission:
            show(event)
            if output.chunks and isinstance(event, Chunk):
                typer.echo(orjson.dumps(event.data))


@contextmanager
def reconnects_shown() -> Iterator[None]:
    """What the client says about its connection goes to stderr, each a line."""
    log, handler = logging.getLogger("streamer.client"), _Lines(logging.INFO)
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(record.getMessage(), err=True)


def as_frame(event: Event) -> dict[str, Any]:
    """The event under the protocol's words."""
    return {"type": event.type} | {field.name: getattr(event, field.name) for field in fields(event)}


def payload_of(text: str) -> Any:
    """The payload that an argument names. typer.BadParameter if it cannot be read or is not JSON."""
    try:
        return orjson.loads(_content(text))
    except OSError as error:
        raise typer.BadParameter(f"{text[1:]} cannot be read: {error.strerror}.") from error
    except orjson.JSONDecodeError as error:
        raise typer.BadParameter(f"The payload is not JSON: {error}.") from error


def _content(text: str) -> str | bytes:
    if text == "-":
        return sys.stdin.read()
    return Path(text[1:]).read_bytes() if text.startswith("@") else text


def options_of(pairs: Sequence[str]) -> dict[str, Any]:
    """`["priority=high", "delay_seconds=5"]` as options: a value that is JSON is taken as such, else as a string."""
    return dict(_option(pair) for pair in pairs)


def _option(pair: str) -> tuple[str, Any]:
    name, equals, value = pair.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"{pair} is not of the form name=value.")
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value
