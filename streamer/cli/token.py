"""`streamer token`: a JWT for development."""

import re
from datetime import timedelta
from typing import Annotated, Final

import typer

from streamer.auth import issue_token
from streamer.errors import ConfigurationError
from streamer.settings import Settings


def token(
    user: Annotated[str, typer.Option(help="Who the token is for (`sub`).")],
    tenant: Annotated[str, typer.Option(help="The tenant of the user.")],
    permission: Annotated[list[str] | None, typer.Option(help="May be given several times; * grants all.")] = None,
    expires_in: Annotated[str, typer.Option(help="How long it holds: 90s, 15m, 1h, 7d, or seconds.")] = "1h",
) -> None:
    """Print a token that is signed with STREAMER_JWT_SECRET (HS256)."""
    settings = Settings.read()
    if settings.jwt_secret is None:
        raise ConfigurationError("Set STREAMER_JWT_SECRET, the secret that the server checks tokens with.")
    typer.echo(
        issue_token(
            settings.jwt_secret.get_secret_value(),
            user=user,
            tenant=tenant,
            permissions=permission or [],
            expires_in_s=duration(expires_in).total_seconds(),
            tenant_claim=settings.jwt_tenant_claim,
            permissions_claim=settings.jwt_permissions_claim,
        )
    )


def duration(text: str) -> timedelta:
    """`90s`, `15m`, `1h`, `7d` or plain seconds. typer.BadParameter for anything else."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text} is not a duration such as 90s, 15m, 1h or 7d.")
    return timedelta(**{_UNITS[match["unit"]]: int(match["number"])})


_DURATION: Final = re.compile(r"(?P<number>[0-9]{1,9})(?P<unit>[smhd]?)")
_UNITS: Final = {"": "seconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
