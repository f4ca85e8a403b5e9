"""A caller, as the claims of a token name it."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

ANYTHING: Final = "*"
"""The permission that grants every other one."""
MAX_NAME_BYTES: Final = 256
"""Of a user, a tenant, and the id of a token."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. `expires`: Unix seconds from which the token does not hold any more; None: never.

    `token_id` is its claim `jti`, `issued` its claim `iat` in Unix seconds; None where the token has none.
    """

    user: str
    tenant: str
    permissions: frozenset[str]
    expires: float | None
    token_id: str | None = None
    issued: float | None = None

    def may(self, permission: str | None) -> bool:
        """Whether this caller has the permission; everybody has None."""
        return permission is None or permission in self.permissions or ANYTHING in self.permissions


DEVELOPER: Final = Principal("dev", "dev", frozenset({ANYTHING}), None)
"""Who everybody is where authentication is off."""


def principal_of(
    claims: Mapping[str, Any], *, tenant_claim: str, permissions_claim: str, leeway_s: float = 0.0
) -> Principal:
    """Reads claims that have `sub`, `exp` and the tenant claim. Raises ValueError where one is not what it must be."""
    return Principal(
        user=_name(claims["sub"]),
        tenant=_name(claims[tenant_claim]),
        permissions=_permissions(claims.get(permissions_claim)),
        expires=int(claims["exp"]) + leeway_s,
        token_id=_token_id(claims.get("jti")),
        issued=_issued(claims.get("iat")),
    )


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


def _token_id(claim: object) -> str | None:
    if claim is None:
        return None
    if not isinstance(claim, str) or len(claim.encode()) > MAX_NAME_BYTES:
        raise ValueError("the id of the token is no string, or too long")
    return claim


def _issued(claim: object) -> float | None:
    if claim is None:
        return None
    if type(claim) is int or type(claim) is float:
        return float(claim)
    raise ValueError("the time at which the token was issued is no number")
