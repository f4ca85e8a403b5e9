"""Whether tokens can be checked, and why one would be refused."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

import jwt

from streamer.auth.authenticator import Authenticator
from streamer.auth.jwks import NotServed, served_keys
from streamer.auth.keys import ASYMMETRIC, USUAL, chosen
from streamer.auth.principal import Principal
from streamer.cli.table import age
from streamer.errors import ConfigurationError, Forbidden, ServiceUnavailable, Unauthorized
from streamer.settings import Settings
from streamer.store.finding import Finding, ok, unknown, wrong

NOT_HELD: Final = "Get a new one; `streamer token` makes one for development."

_AT_ISSUER: Final = "Look at the issuer, STREAMER_JWT_JWKS_URL and STREAMER_JWT_ALGORITHMS."


async def examine(settings: Settings, token: str | None) -> tuple[list[Finding], Principal | None]:
    """The keys; and, where there is a token, whether it holds, and whose it is then."""
    try:
        authenticator = Authenticator(settings)
    except ConfigurationError as error:
        remedy = "Correct it. Without any of these variables, `streamer dev` needs none: look with --dev."
        return [wrong("auth", str(error), remedy)], None
    found = await _keys(settings)
    if token is None or settings.auth_mode == "off":
        return found, None
    try:
        principal = await authenticator.authenticate(token)
    except (Unauthorized, Forbidden, ServiceUnavailable) as error:
        return [*found, _refusal(error, settings, token)], None
    may = ", ".join(sorted(principal.permissions)) or "none"
    holds = f"It holds: user {principal.user} of tenant {principal.tenant}, permissions {may}."
    return [*found, ok("token", holds)], principal


async def _keys(settings: Settings) -> list[Finding]:
    if settings.auth_mode == "off":
        return [ok("auth", "Off: everybody on this machine is user dev of tenant dev and may call everything.")]
    if not settings.jwt_jwks_url:
        name = "STREAMER_JWT_SECRET" if settings.jwt_secret else "STREAMER_JWT_PUBLIC_KEY"
        return [ok("auth", f"Tokens are checked by {name}.")]
    algorithms = chosen(settings.jwt_algorithms, ASYMMETRIC, USUAL)
    return [await asyncio.to_thread(_issuer, url, algorithms) for url in settings.jwt_jwks_url]


def _issuer(url: str, algorithms: Sequence[str]) -> Finding:
    try:
        keys = served_keys(url, algorithms)
    except NotServed as error:
        return wrong("auth", f"{url} gives no keys: {error}.", _AT_ISSUER)
    return ok("auth", f"{url} serves {len(keys)} keys.")


def _refusal(error: Unauthorized | Forbidden | ServiceUnavailable, settings: Settings, token: str) -> Finding:
    if isinstance(error, ServiceUnavailable):
        return unknown("token", "The keys of its issuer cannot be had now.")
    if isinstance(error, Forbidden):
        what = "It is refused: its tenant is not one of STREAMER_ALLOWED_TENANTS."
        return wrong("token", what, "Allow the tenant, or take a token of another one.")
    return wrong("token", f"It is refused: {_reason(error.__cause__, token, settings)}", NOT_HELD)


def _reason(cause: BaseException | None, token: str, settings: Settings) -> str:
    if isinstance(cause, jwt.ExpiredSignatureError):
        ended_s = jwt.decode(token, options={"verify_signature": False})["exp"]
        return f"it expired {age(int(ended_s * 1000), int(time.time() * 1000))}."
    said = _SAID.get(type(cause))
    if said is not None:
        issuers = " or ".join(settings.jwt_issuer or ())
        return said.format(audience=settings.jwt_audience, issuers=issuers, claim=getattr(cause, "claim", ""))
    return f"{str(cause).rstrip('.')}."


_SAID: Final[Mapping[type, str]] = {
    jwt.InvalidSignatureError: "it is signed with another key than the one that is set here.",
    jwt.InvalidAudienceError: "it is not for the audience {audience}.",
    jwt.InvalidIssuerError: "its issuer is not {issuers}.",
    jwt.InvalidAlgorithmError: "its algorithm is not accepted here (STREAMER_JWT_ALGORITHMS).",
    jwt.MissingRequiredClaimError: "it lacks the claim {claim}.",
    jwt.DecodeError: "it is not a JWT.",
}
