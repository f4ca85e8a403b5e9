"""A key that checks tokens, and the algorithms under which it may be used (RFC 7518, section 3.1)."""

from collections.abc import Sequence
from typing import Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from streamer.errors import ConfigurationError
from streamer.settings import PREFIX

MIN_RSA_BITS: Final = 2_048
USUAL: Final = ("RS256", "ES256", "ES384", "ES512")
"""Of public keys, where the settings name no algorithms; RSA keys by RS256."""

_SECRET_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}  # at least: as long as the hash, RFC 7518 section 3.2
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
ASYMMETRIC: Final = (*_RSA, *_CURVES.values())

PublicKey = RSAPublicKey | EllipticCurvePublicKey
Key = str | PublicKey


class Keys(Protocol):
    """Where the key that checks a token comes from."""

    async def find(self, token: str) -> tuple[Key, Sequence[str]]:
        """The key for this token, and the algorithms that it may be signed by.

        Raises ValueError or jwt.PyJWTError where there is none, ServiceUnavailable where that cannot be told now.
        """
        ...

    async def keep(self) -> None:
        """Keeps the keys fresh for ever; returns at once where they do not change."""
        ...


class FixedKey:
    """The one key of the settings."""

    def __init__(self, key: Key, algorithms: Sequence[str]) -> None:
        self._found = key, algorithms

    async def find(self, token: str) -> tuple[Key, Sequence[str]]:
        del token
        return self._found

    async def keep(self) -> None:
        return


def fitting(key: object) -> tuple[str, ...]:
    """The algorithms that this public key can check; none for keys that nobody should use: short ones, private ones,
    those of other kinds."""
    if isinstance(key, RSAPublicKey):
        return _RSA if key.key_size >= MIN_RSA_BITS else ()
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return (_CURVES[key.curve.name],)
    return ()


def secret_key(secret: str, wanted: Sequence[str] | None) -> FixedKey:
    """Raises ConfigurationError for a secret under 32 bytes, and for algorithms that do not go with it."""
    check_secret(secret)
    size = len(secret.encode())
    possible = [algorithm for algorithm, least in _SECRET_BYTES.items() if size >= least]
    return FixedKey(secret, chosen(wanted, possible))


def check_secret(secret: str) -> None:
    """Raises ConfigurationError for a secret under 32 bytes, and for what is no secret."""
    if len(secret.encode()) < _SECRET_BYTES["HS256"]:
        raise ConfigurationError(f"{PREFIX}JWT_SECRET must have at least {_SECRET_BYTES['HS256']} bytes.")
    if "-----BEGIN" in secret:
        raise ConfigurationError(f"{PREFIX}JWT_SECRET is a PEM key: set {PREFIX}JWT_PUBLIC_KEY instead.")


def pem_key(pem: str, wanted: Sequence[str] | None) -> FixedKey:
    """Raises ConfigurationError for what is no such key, and for algorithms that do not go with it."""
    try:
        key = load_pem_public_key(pem.replace("\\n", "\n").strip().encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{PREFIX}JWT_PUBLIC_KEY is not a public key in PEM.") from error
    possible = fitting(key)
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey) or not possible:
        raise ConfigurationError(
            f"{PREFIX}JWT_PUBLIC_KEY must be an RSA key of {MIN_RSA_BITS} bits or more, or one on P-256, P-384 or "
            "P-521."
        )
    return FixedKey(key, chosen(wanted, possible))


def chosen(wanted: Sequence[str] | None, possible: Sequence[str], usual: Sequence[str] | None = None) -> Sequence[str]:
    """The algorithms of the settings, else the usual ones, else the first. Raises ConfigurationError for one that the
    key cannot check."""
    for algorithm in wanted or ():
        if algorithm not in possible:
            raise ConfigurationError(
                f"{PREFIX}JWT_ALGORITHMS: {algorithm} does not go with the key; possible are {', '.join(possible)}."
            )
    return wanted or usual or possible[:1]
