"""Who is calling: a JWT (RFC 7519) becomes a Principal, or a refusal that tells the caller nothing.

Why a token was refused is the `__cause__` of the error, for the log.
"""

import time
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from streamer.errors import ConfigurationError, Forbidden, Unauthorized
from streamer.settings import PREFIX, Settings

ANYTHING: Final = "*"
"""The permission that grants every other one."""
MAX_TOKEN_CHARACTERS: Final = 16_384
MAX_NAME_BYTES: Final = 256
MIN_RSA_BITS: Final = 2_048

_SECRET_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}  # at least: as long as the hash, RFC 7518 section 3.2
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


Key = str | RSAPublicKey | EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. `expires`: Unix seconds from which the token does not hold any more; None: never."""

    user: str
    tenant: str
    permissions: frozenset[str]
    expires: float | None

    def may(self, permission: str | None) -> bool:
        """Whether this caller has the permission; everybody has None."""
        return permission is None or permission in self.permissions or ANYTHING in self.permissions


DEVELOPER: Final = Principal("dev", "dev", frozenset({ANYTHING}), None)
"""Who everybody is where authentication is off."""


class Authenticator:
    """Reads tokens under one key and an explicit list of algorithms."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigurationError where the settings cannot tell a good token from a bad one."""
        settings.checked_for_auth()
        self._off = settings.auth_mode == "off"
        key, algorithms = ("", []) if self._off else _key(settings)
        self._key: Key = key
        self._algorithms: list[str] = algorithms
        self._audience = settings.jwt_audience
        self._issuer = settings.jwt_issuer
        self._leeway_s = settings.jwt_leeway_s
        self._tenant_claim = settings.jwt_tenant_claim
        self._permissions_claim = settings.jwt_permissions_claim
        self._tenants = settings.allowed_tenants

    async def authenticate(self, token: str | None) -> Principal:
        """Raises Unauthorized where the token does not hold, Forbidden where its tenant is not let in."""
        if self._off:
            return DEVELOPER
        try:
            principal = self._principal(self._claims(token))
        except (jwt.PyJWTError, ValueError, RecursionError) as error:  # the last two: what JSON in a token can do
            raise Unauthorized from error
        if self._tenants is not None and principal.tenant not in self._tenants:
            raise Forbidden
        return principal

    def _claims(self, token: str | None) -> Mapping[str, Any]:
        if not token:
            raise ValueError("there is no token")
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise ValueError("the token is too long")
        return jwt.decode(
            token,
            self._key,
            algorithms=self._algorithms,
            options={"require": ["sub", "exp", self._tenant_claim], "verify_aud": self._audience is not None},
            audience=self._audience,
            issuer=self._issuer,
            leeway=self._leeway_s,
        )

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        return Principal(
            user=_name(claims["sub"]),
            tenant=_name(claims[self._tenant_claim]),
            permissions=_permissions(claims.get(self._permissions_claim)),
            expires=int(claims["exp"]) + self._leeway_s,
        )


def issue_token(
    secret: str,
    *,
    user: str,
    tenant: str,
    permissions: Collection[str],
    expires_in_s: float,
    tenant_claim: str = "tenant_id",
    permissions_claim: str = "permissions",
) -> str:
    """A token for development, signed by HS256. Raises ConfigurationError for a secret under 32 bytes."""
    _check_secret(secret)
    claims = {
        "sub": user,
        tenant_claim: tenant,
        permissions_claim: sorted(permissions),
        "exp": int(time.time() + expires_in_s),
    }
    return jwt.encode(claims, secret, algorithm="HS256")


def _name(value: object) -> str:
    """A user or a tenant. A NUL would let two of them meet in one key; see `streamer.jobs.ids`."""
    if type(value) is not str or not value:
        raise ValueError("a name in the token is no string, or empty")
    if len(value.encode()) > MAX_NAME_BYTES:
        raise ValueError("a name in the token is too long")
    if not value.isprintable() and any(unicodedata.category(character) == "Cc" for character in value):
        raise ValueError("a name in the token has a control character")
    return value


def _permissions(claim: object) -> frozenset[str]:
    names = claim.split() if isinstance(claim, str) else [] if claim is None else claim
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("the permissions in the token are neither a list of strings nor a string")
    return frozenset(names)


def _key(settings: Settings) -> tuple[Key, list[str]]:
    """The key and the algorithms under which it may be used: the configured ones, else the usual one."""
    key, possible = _secret(settings) if settings.jwt_secret else _public_key(settings)
    wanted = settings.jwt_algorithms or possible[:1]
    for algorithm in wanted:
        if algorithm not in possible:
            raise ConfigurationError(
                f"{PREFIX}JWT_ALGORITHMS: {algorithm} does not go with the key; possible are {', '.join(possible)}."
            )
    return key, list(wanted)


def _secret(settings: Settings) -> tuple[Key, list[str]]:
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else ""
    _check_secret(secret)
    size = len(secret.encode())
    return secret, [algorithm for algorithm, least in _SECRET_BYTES.items() if size >= least]


def _check_secret(secret: str) -> None:
    if len(secret.encode()) < _SECRET_BYTES["HS256"]:
        raise ConfigurationError(f"{PREFIX}JWT_SECRET must have at least {_SECRET_BYTES['HS256']} bytes.")
    if "-----BEGIN" in secret:
        raise ConfigurationError(f"{PREFIX}JWT_SECRET is a PEM key: set {PREFIX}JWT_PUBLIC_KEY instead.")


def _public_key(settings: Settings) -> tuple[Key, list[str]]:
    pem = (settings.jwt_public_key or "").replace("\\n", "\n").strip()
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{PREFIX}JWT_PUBLIC_KEY is not a public key in PEM.") from error
    if isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
        return key, list(_RSA)
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return key, [_CURVES[key.curve.name]]
    raise ConfigurationError(
        f"{PREFIX}JWT_PUBLIC_KEY must be an RSA key of {MIN_RSA_BITS} bits or more, or one on P-256, P-384 or P-521."
    )
