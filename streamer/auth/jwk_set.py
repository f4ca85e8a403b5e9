"""A JWK set (RFC 7517) as an issuer serves it: which of its keys may check tokens. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from streamer.auth.keys import PublicKey, fitting


@dataclass(frozen=True, slots=True)
class SetKey:
    """A key of a set. `algorithms`: those by which it may be used here."""

    key_id: str | None
    key: PublicKey
    algorithms: Sequence[str]


def usable(document: object, algorithms: Sequence[str]) -> Sequence[SetKey]:
    """The keys that are public, meant for signatures, strong enough, and fit one of `algorithms`. What else is in the
    document is passed over. Raises ValueError where none is left."""
    found = list(_usable(document, algorithms))
    if not found:
        raise ValueError("there is no key for checking tokens in it")
    return found


def _usable(document: object, algorithms: Sequence[str]) -> Iterator[SetKey]:
    members = document.get("keys") if isinstance(document, dict) else None
    for member in members if isinstance(members, list) else ():
        if not isinstance(member, dict) or not _is_for_signatures(member):
            continue
        key = _read(member)
        fits = [each for each in algorithms if each in fitting(key) and member.get("alg") in (None, each)]
        if fits:
            yield SetKey(member.get("kid"), key, fits)


def _is_for_signatures(member: Mapping[str, Any]) -> bool:
    operations = member.get("key_ops")
    return (
        member.get("use") in (None, "sig")
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
        and isinstance(member.get("kid"), str | None)
    )


def _read(member: Mapping[str, Any]) -> Any:
    """The key; None where there is none to be read."""
    try:
        return jwt.PyJWK(dict(member)).key
    except Exception:  # noqa: BLE001  the JSON is a stranger's, and PyJWK has no end of errors for it
        return None
