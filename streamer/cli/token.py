"""`streamer token`: a JWT for development; and the commands that take tokens back."""

from typing import Annotated

import jwt
import orjson
import typer

from streamer.auth import issue_for
from streamer.cli import revoking
from streamer.cli.duration import duration
from streamer.settings import Settings

token = typer.Typer(
    name="token",
    help="Print a token that is signed with STREAMER_JWT_SECRET (HS256); or take tokens back.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
)
token.command()(revoking.revoke)
token.command()(revoking.revoked)
token.command()(revoking.restore)


@token.callback()
def _issue(
    context: typer.Context,
    user: Annotated[str | None, typer.Option(help="Who the token is for (`sub`).")] = None,
    tenant: Annotated[str | None, typer.Option(help="The tenant of the user.")] = None,
    permission: Annotated[list[str] | None, typer.Option(help="May be given several times; * grants all.")] = None,
    expires_in: Annotated[str, typer.Option(help="How long it holds: 90s, 15m, 1h, 7d, or seconds.")] = "1h",
    json: Annotated[bool, typer.Option("--json", help="Print it, and its end in Unix seconds, as JSON.")] = False,
) -> None:
    if context.invoked_subcommand is not None:
        if user or tenant or permission or json:
            raise typer.BadParameter(f"Options of {context.invoked_subcommand} come after its name.")
        return
    if user is None or tenant is None:
        raise typer.BadParameter("Name a --user and a --tenant, or one of the commands.")
    issued = _issued(Settings.read(), user, tenant, permission or [], expires_in)
    typer.echo(orjson.dumps({"token": issued, "expires_at": _end(issued)}) if json else issued)


def _issued(settings: Settings, user: str, tenant: str, permissions: list[str], expires_in: str) -> str:
    """One that a node of the same settings lets in."""
    lasts_s = duration(expires_in).total_seconds()
    return issue_for(settings, user=user, tenant=tenant, permissions=permissions, expires_in_s=lasts_s)


def _end(issued: str) -> int:
    """In Unix seconds."""
    claims = jwt.decode(issued, options={"verify_signature": False})
    return int(claims["exp"])
