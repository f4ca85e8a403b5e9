"""`streamer contract`: the documents that say what the actions take and give, and what changed between two of them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from streamer.actions import load_registry
from streamer.cli.sentences import FAILED
from streamer.cli.table import printable
from streamer.contract import asyncapi, openapi, typescript
from streamer.contract.compare import Change
from streamer.contract.diff import NotComparable, changes
from streamer.contract.write import written
from streamer.errors import ConfigurationError
from streamer.registry import Registry
from streamer.settings import Settings

contract = typer.Typer(
    name="contract",
    help="The contract of the actions: AsyncAPI for the socket, OpenAPI for HTTP, types for TypeScript.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
)

Make = Callable[[Registry], bytes]
_STDOUT: Final = Path("-")

Json = Annotated[bool, typer.Option("--json", help="Print the changes as one JSON object.")]


@contract.callback()
def write(
    context: typer.Context,
    actions: Annotated[
        list[str] | None, typer.Option(help="A module of actions, instead of STREAMER_ACTIONS; may be given again.")
    ] = None,
    asyncapi_file: Annotated[
        Path | None, typer.Option("--asyncapi", metavar="FILE", help="Write the AsyncAPI document there; -: print it.")
    ] = None,
    openapi_file: Annotated[
        Path | None, typer.Option("--openapi", metavar="FILE", help="Write the OpenAPI document there; -: print it.")
    ] = None,
    typescript_file: Annotated[
        Path | None,
        typer.Option("--typescript", metavar="FILE", help="Write the TypeScript module there; -: print it."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write both documents into it, as asyncapi.json and openapi.json."),
    ] = None,
) -> None:
    """Write the contract of the actions that a node with these settings serves."""
    if context.invoked_subcommand is not None:
        return
    targets = _targets(asyncapi_file, openapi_file, typescript_file, out)
    if not targets:
        raise ConfigurationError("Say where to: --asyncapi FILE, --openapi FILE, --typescript FILE or --out DIR.")
    settings = Settings.read()
    registry = load_registry(tuple(actions) if actions else settings.actions, threads=1)
    try:
        for path, made in targets.items():
            _put(path, made(registry))
    finally:
        registry.close()


@contract.command()
def diff(
    old: Annotated[Path, typer.Argument(help="The contract that clients were written for.")],
    new: Annotated[Path, typer.Argument(help="The one that they would meet.")],
    json: Json = False,
) -> None:
    """Tell what changed between two AsyncAPI or two OpenAPI documents of ours; exit code 1 where it breaks clients."""
    try:
        found = changes(_read(old), _read(new))
    except NotComparable as error:
        raise ConfigurationError(f"{old} and {new} cannot be compared. {error}") from error
    if json:
        typer.echo(orjson.dumps({"breaking": _listed(found, True), "compatible": _listed(found, False)}))
    else:
        typer.echo("\n".join(map(_line, found)) or "Nothing changed.")
    if any(change.breaking for change in found):
        raise typer.Exit(FAILED)


def _targets(
    asyncapi_file: Path | None, openapi_file: Path | None, typescript_file: Path | None, out: Path | None
) -> Mapping[Path, Make]:
    """Path -> what makes the document that goes there."""
    wanted = {asyncapi_file: _asyncapi, openapi_file: _openapi, typescript_file: _typescript}
    found = {path: make for path, make in wanted.items() if path is not None}
    if out is not None:
        found |= {out / "asyncapi.json": _asyncapi, out / "openapi.json": _openapi}
    return found


def _asyncapi(registry: Registry) -> bytes:
    return written(asyncapi.document(registry))


def _openapi(registry: Registry) -> bytes:
    return written(openapi.document(registry))


def _typescript(registry: Registry) -> bytes:
    return typescript.module(registry).encode()


def _put(path: Path, body: bytes) -> None:
    if path == _STDOUT:
        typer.echo(body, nl=False)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error


def _read(path: Path) -> Any:
    try:
        return orjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"{path} is not JSON: {error}.") from error


def _listed(found: Any, breaking: bool) -> list[dict[str, str]]:
    return [{"where": change.where, "what": change.what} for change in found if change.breaking is breaking]


def _line(change: Change) -> str:
    return printable(f"{'breaking' if change.breaking else 'compatible':10}  {change.where}  {change.what}")
