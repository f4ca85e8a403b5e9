"""Tokens, checked. Why one was refused is the `__cause__` of the error, for the log."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt

from streamer.auth.jwks import JwksKeys
from streamer.auth.keys import ASYMMETRIC, USUAL, Keys, chosen, pem_key, secret_key
from streamer.auth.principal import DEVELOPER, Principal, principal_of
from streamer.errors import Forbidden, Unauthorized
from streamer.settings import Settings

MAX_TOKEN_CHARACTERS: Final = 16_384


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose tokens these keys check; `issuers` None: anybody's."""

    keys: Keys
    issuers: Sequence[str] | None


class Authenticator:
    """Reads tokens under the keys of their issuers and an explicit list of algorithms."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigurationError where the settings cannot tell a good token from a bad one."""
        settings.checked_for_auth()
        self._trusts = [] if settings.auth_mode == "off" else _trusts(settings)
        self._audience = settings.jwt_audience
        self._leeway_s = settings.jwt_leeway_s
        self._tenant_claim = settings.jwt_tenant_claim
        self._permissions_claim = settings.jwt_permissions_claim
        self._tenants = settings.allowed_tenants

    async def authenticate(self, token: str | None) -> Principal:
        """Raises Unauthorized where the token does not hold, Forbidden where its tenant is not let in,
        ServiceUnavailable where its issuer's keys cannot be had now."""
        if not self._trusts:
            return DEVELOPER
        try:
            principal = self._principal(await self._claims(token))
        except (jwt.PyJWTError, ValueError, OverflowError, RecursionError) as error:  # what JSON in a token can do
            raise Unauthorized from error
        if self._tenants is not None and principal.tenant not in self._tenants:
            raise Forbidden
        return principal

    async def keep_keys(self) -> None:
        """Reads the keys of issuers now, and again and again; returns at once where there are none to read."""
        async with asyncio.TaskGroup() as group:
            for trust in self._trusts:
                group.create_task(trust.keys.keep(), name="keys")

    async def _claims(self, token: str | None) -> Mapping[str, Any]:
        if not token:
            raise ValueError("there is no token")
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise ValueError("the token is too long")
        trust = self._trusts[0] if len(self._trusts) == 1 else self._trust(token)
        key, algorithms = await trust.keys.find(token)
        return jwt.decode(
            token,
            key,
            algorithms=algorithms,
            options={"require": ["sub", "exp", self._tenant_claim], "verify_aud": self._audience is not None},
            audience=self._audience,
            issuer=trust.issuers,
            leeway=self._leeway_s,
        )

    def _trust(self, token: str) -> Trust:
        """What the token says of its issuer only chooses the keys; it is checked with the rest."""
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        for trust in self._trusts:
            if trust.issuers is not None and issuer in trust.issuers:
                return trust
        raise ValueError("nobody here trusts the issuer of the token")

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        return principal_of(
            claims,
            tenant_claim=self._tenant_claim,
            permissions_claim=self._permissions_claim,
            leeway_s=self._leeway_s,
        )


def _trusts(settings: Settings) -> list[Trust]:
    wanted, issuers = settings.jwt_algorithms, settings.jwt_issuer
    if settings.jwt_secret is not None:
        return [Trust(secret_key(settings.jwt_secret.get_secret_value(), wanted), issuers)]
    if settings.jwt_public_key is not None:
        return [Trust(pem_key(settings.jwt_public_key, wanted), issuers)]
    algorithms = chosen(wanted, ASYMMETRIC, USUAL)
    urls = settings.jwt_jwks_url or ()
    if len(urls) == 1:
        return [Trust(JwksKeys(urls[0], algorithms), issuers)]
    return [Trust(JwksKeys(url, algorithms), [issuer]) for url, issuer in zip(urls, issuers or (), strict=True)]
