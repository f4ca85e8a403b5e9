"""`streamer call`: one request from the shell."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from streamer.cli.bar import bar
from streamer.cli.sentences import INTERRUPTED
from streamer.client import Event, Submission, connect

DEFAULT_URL: Final = "http://127.0.0.1:8080"


def call(
    action: Annotated[str, typer.Argument(help="The name of the action, for example echo.")],
    payload: Annotated[str, typer.Argument(help="JSON, or @FILE, or - for standard input.")] = "{}",
    url: Annotated[str, typer.Option(envvar="STREAMER_URL", help="Where a node is.")] = DEFAULT_URL,
    token: Annotated[str | None, typer.Option(envvar="STREAMER_TOKEN", help="A JWT.", show_envvar=True)] = None,
    request_id: Annotated[str | None, typer.Option("--id", help="The idempotency key; made here if absent.")] = None,
    option: Annotated[list[str] | None, typer.Option("--option", "-o", help="For example priority=high.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print every event as a line of JSON.")] = False,
) -> None:
    """Call an action and print its result as JSON.

    Exits with 0, 1 if the request failed, 2 if the command is not understood, 3 if there is no connection.
    """
    content, options = payload_of(payload), options_of(option or [])
    asked = _ask(action, content, url=url, token=token, request_id=request_id, options=options, lines=json)
    try:
        asyncio.run(asked)
    except KeyboardInterrupt:
        typer.echo("Stopped waiting; the request goes on at the server.", err=True)
        raise typer.Exit(INTERRUPTED) from None


async def _ask(
    action: str,
    payload: Any,
    *,
    url: str,
    token: str | None,
    request_id: str | None,
    options: dict[str, Any],
    lines: bool,
) -> None:
    async with connect(url, token) as session:
        submission = session.submit(action, payload, id=request_id, options=options or None)
        if lines:
            await _print_events(submission)
        else:
            await _watch(submission)
        result = await submission
    if not lines:
        typer.echo(orjson.dumps(result, option=orjson.OPT_INDENT_2))


async def _print_events(submission: Submission) -> None:
    async for event in submission:
        typer.echo(orjson.dumps(as_frame(event)))


async def _watch(submission: Submission) -> None:
    with bar(submission.request_id, shown=sys.stderr.isatty()) as show:
        async for event in submission:
            show(event)


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
