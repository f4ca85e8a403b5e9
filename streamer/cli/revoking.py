"""`streamer token revoke`, `revoked` and `restore`: tokens that are taken back before they expire."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final

import jwt
import orjson
import typer

from streamer.auth.principal import Principal, principal_of
from streamer.cli.duration import duration
from streamer.cli.jobs import run
from streamer.cli.operator import operating, whoever
from streamer.cli.sentences import FAILED
from streamer.cli.table import age, table, utc
from streamer.settings import Settings
from streamer.store.base import now_ms
from streamer.store.revocations import Revocation
from streamer.telemetry import audit

STANDARD: Final = timedelta(days=7)
HEADER: Final = ("TENANT", "USER", "TOKEN ID", "REVOKED", "EXPIRES", "REASON")

Token = Annotated[
    str | None, typer.Argument(metavar="[TOKEN]", help="The token itself; - reads it from standard input.")
]
Tenant = Annotated[str | None, typer.Option(help="Whose; needless with TOKEN.")]
User = Annotated[str | None, typer.Option(help="All tokens of this user that were issued by now.")]
TokenId = Annotated[str | None, typer.Option("--jti", help="The token of this id.")]


Json = Annotated[bool, typer.Option("--json", help="Print what was done as a line of JSON.")]


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose tokens, or which. `expires_ms`: when the token ends by itself, where that is known."""

    tenant: str
    user: str | None
    token_id: str | None
    expires_ms: int | None = None

    def __str__(self) -> str:
        return f"the user {self.user} of {self.tenant}" if self.user else f"the token {self.token_id} of {self.tenant}"


def revoke(
    token: Token = None,
    tenant: Tenant = None,
    user: User = None,
    jti: TokenId = None,
    for_: Annotated[
        str | None,
        typer.Option("--for", help="At least as long as such a token holds: 12h, 30d. 7d; with TOKEN, until it ends."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Who and why, for `streamer token revoked`.")] = "",
    json: Json = False,
) -> None:
    """Take back a token, or all tokens that a user has. Nodes then refuse them, and close their sockets with 4500."""
    subject, now, settings = _subject(token, tenant, user, jti), now_ms(), Settings.read()
    if subject.expires_ms is not None and subject.expires_ms <= now:
        typer.echo("This token has expired.", err=True)
        raise typer.Exit(FAILED)
    revocation = Revocation(
        tenant=subject.tenant,
        user=subject.user,
        token_id=subject.token_id,
        revoked_ms=now,
        expires_ms=_end(subject, now, for_),
        reason=reason,
    )

    async def stored() -> None:
        async with operating() as operator:
            await operator.store.revocations.revoke(revocation)
            _audit(subject, "revoked", reason=reason or None)

    run(stored())
    sentence = f"Revoked {subject} until {utc(revocation.expires_ms)}: seen within {settings.session_beat_s:g} s."
    typer.echo(orjson.dumps(_values(revocation)) if json else sentence)


def revoked(
    tenant: Annotated[str | None, typer.Option(help="Only those of this tenant.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print each as a line of JSON.")] = False,
) -> None:
    """List what is revoked."""

    async def listed() -> Sequence[Revocation]:
        async with operating() as operator:
            return [each for each in await operator.store.revocations.list() if tenant in (None, each.tenant)]

    found = run(listed())
    if json:
        for each in found:
            typer.echo(orjson.dumps(_values(each)))
    elif found:
        now = now_ms()
        typer.echo(table(HEADER, (_row(each, now) for each in found)))
    if not found:
        typer.echo("Nothing is revoked.", err=True)


def restore(
    token: Token = None, tenant: Tenant = None, user: User = None, jti: TokenId = None, json: Json = False
) -> None:
    """Let tokens hold again that were taken back."""
    subject = _subject(token, tenant, user, jti)

    async def lifted() -> bool:
        async with operating() as operator:
            store = operator.store.revocations
            if not await store.lift(subject.tenant, user=subject.user, token_id=subject.token_id):
                return False
            _audit(subject, "restored")
            return True

    if not run(lifted()):
        typer.echo(f"Nothing was revoked of {subject}.", err=True)
        raise typer.Exit(FAILED)
    restored = {"tenant": subject.tenant, "user": subject.user, "token_id": subject.token_id}
    typer.echo(orjson.dumps(restored) if json else f"Restored {subject}.")


def _audit(subject: "Subject", result: str, **about: Any) -> None:
    whose = {"owner": subject.user, "owner_tenant": subject.tenant, "owner_token_id": subject.token_id}
    audit.record("revoke", None, result=result, operator=whoever(), **whose, **about)


def _subject(token: str | None, tenant: str | None, user: str | None, token_id: str | None) -> Subject:
    if [bool(token), bool(user), bool(token_id)].count(True) != 1:
        raise typer.BadParameter("Name one of --user, --jti and TOKEN.")
    if token:
        return _named_by(sys.stdin.read().strip() if token == "-" else token, tenant)  # noqa: S105  no password
    if not tenant:
        raise typer.BadParameter("--user and --jti go with --tenant.")
    return Subject(tenant, user, token_id)


def _named_by(token: str, tenant: str | None) -> Subject:
    """Its signature is not checked: whoever reaches the store may revoke what they name."""
    principal = _principal(token, Settings.read())
    if tenant not in (None, principal.tenant):
        raise typer.BadParameter(f"The token is one of the tenant {principal.tenant}.")
    if not principal.token_id:
        raise typer.BadParameter(
            f"The token has no id (jti): --tenant {principal.tenant} --user {principal.user} names all of its user's."
        )
    return Subject(principal.tenant, None, principal.token_id, int((principal.expires or 0) * 1000))


def _principal(token: str, settings: Settings) -> Principal:
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        return principal_of(
            claims,
            tenant_claim=settings.jwt_tenant_claim,
            permissions_claim=settings.jwt_permissions_claim,
            leeway_s=settings.jwt_leeway_s,
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, KeyError) as error:  # what a stranger's JSON can do
        raise typer.BadParameter("This is not a token of a user and a tenant.") from error


def _end(subject: Subject, now: int, for_: str | None) -> int:
    if for_ is None and subject.expires_ms is not None:
        return subject.expires_ms
    life = STANDARD if for_ is None else duration(for_)
    return now + int(life.total_seconds() * 1000)


def _values(revocation: Revocation) -> dict[str, str]:
    told = {
        "tenant": revocation.tenant,
        "user": revocation.user,
        "token_id": revocation.token_id,
        "revoked": utc(revocation.revoked_ms),
        "expires": utc(revocation.expires_ms),
        "reason": revocation.reason,
    }
    return {name: value for name, value in told.items() if value}


def _row(revocation: Revocation, now: int) -> list[str]:
    """Under HEADER."""
    times = [age(revocation.revoked_ms, now), age(revocation.expires_ms, now)]
    return [revocation.tenant, revocation.user or "", revocation.token_id or "", *times, revocation.reason]
