"""Tokens for development."""

import secrets
import time
from collections.abc import Collection

import jwt

from streamer.auth.keys import check_secret
from streamer.errors import ConfigurationError
from streamer.settings import Settings


def issue_for(settings: Settings, *, user: str, tenant: str, permissions: Collection[str], expires_in_s: float) -> str:
    """A token for development that a node of these settings lets in. Raises ConfigurationError where they have no
    secret."""
    if settings.jwt_secret is None:
        raise ConfigurationError("Set STREAMER_JWT_SECRET, the secret that the server checks tokens with.")
    return issue_token(
        settings.jwt_secret.get_secret_value(),
        user=user,
        tenant=tenant,
        permissions=permissions,
        expires_in_s=expires_in_s,
        tenant_claim=settings.jwt_tenant_claim,
        permissions_claim=settings.jwt_permissions_claim,
        issuer=settings.jwt_issuer[0] if settings.jwt_issuer else None,
        audience=settings.jwt_audience,
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
    issuer: str | None = None,
    audience: str | None = None,
) -> str:
    """A token for development, signed by HS256, with an id of its own (`jti`) and the time of its making (`iat`).

    Raises ConfigurationError for a secret under 32 bytes.
    """
    check_secret(secret)
    now = time.time()
    claims = {
        "sub": user,
        tenant_claim: tenant,
        permissions_claim: sorted(permissions),
        "exp": int(now + expires_in_s),
        "iat": int(now),
        "jti": secrets.token_urlsafe(12),
        "iss": issuer,
        "aud": audience,
    }
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, secret, algorithm="HS256")
