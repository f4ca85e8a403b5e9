"""`streamer token`: a JWT for development; and the commands that take tokens back."""

from typing import Annotated

import jwt
import orjson
import typer

from streamer.auth import issue_token
from streamer.cli import revoking
from streamer.cli.duration import duration
from streamer.errors import ConfigurationError
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
    if settings.jwt_secret is None:
        raise ConfigurationError("Set STREAMER_JWT_SECRET, the secret that the server checks tokens with.")
    return issue_token(
        settings.jwt_secret.get_secret_value(),
        user=user,
        tenant=tenant,
        permissions=permissions,
        expires_in_s=duration(expires_in).total_seconds(),
        tenant_claim=settings.jwt_tenant_claim,
        permissions_claim=settings.jwt_permissions_claim,
        issuer=settings.jwt_issuer[0] if settings.jwt_issuer else None,
        audience=settings.jwt_audience,
    )


def _end(issued: str) -> int:
    """In Unix seconds."""
    claims = jwt.decode(issued, options={"verify_signature": False})
    return int(claims["exp"])
