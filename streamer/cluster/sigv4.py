"""Who may call inside: AWS Signature Version 4 with a shared key pair, service `execute-api`.

The calls are those that boto3's `apigatewaymanagementapi` client makes, so it works against a node as it is. Source:
AWS General Reference, "Create a signed AWS API request". A service other than S3 percent-encodes the path as it
stands on the wire once more.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Self
from urllib.parse import quote

from streamer.errors import Forbidden

SERVICE: Final = "execute-api"
MAX_SKEW_S: Final = 300
_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_END: Final = "aws4_request"
_TIMESTAMP: Final = "%Y%m%dT%H%M%SZ"
_REQUIRED: Final = frozenset({"host", "x-amz-date"})


@dataclass(frozen=True, slots=True)
class Key:
    """A shared key pair. Two are valid at a time while one is rotated out; the first one signs."""

    key_id: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An HTTP request as it is on the wire. `path` is still percent-encoded; header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: str = ""
    body: bytes = b""

    @classmethod
    def received(cls, scope: Mapping[str, Any], body: bytes) -> Self:
        """The request of an ASGI scope."""
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        path = scope["raw_path"].decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        return cls(method=scope["method"], path=path, query=query, headers=headers, body=body)


def sign(key: Key, call: Call, now: float, *, region: str = "local") -> dict[str, str]:
    """The headers to add to a call; all headers that it has so far (`host` among them) are signed. `now`: Unix s."""
    timestamp = datetime.fromtimestamp(now, UTC).strftime(_TIMESTAMP)
    headers = {**call.headers, "x-amz-date": timestamp}
    scope = f"{timestamp[:8]}/{region}/{SERVICE}/{_END}"
    names = sorted(headers)
    signature = _signature(key, scope, timestamp, _canonical(call, headers, names))
    credential = f"Credential={key.key_id}/{scope}"
    authorization = f"{_ALGORITHM} {credential}, SignedHeaders={';'.join(names)}, Signature={signature}"
    return {"x-amz-date": timestamp, "authorization": authorization}


def verify(keys: Sequence[Key], call: Call, now: float) -> Key:
    """The key that signed the call, at most 5 minutes from `now` (Unix seconds).

    Raises Forbidden, with one message whatever is wrong: a caller without the key learns nothing.
    """
    claim = _Claim.read(call.headers.get("authorization", ""))
    timestamp = call.headers.get("x-amz-date", "")
    if claim is None or not _is_fresh(timestamp, now) or timestamp[:8] != claim.date:
        raise Forbidden
    if not set(claim.signed).issuperset(_REQUIRED) or not set(claim.signed).issubset(call.headers):
        raise Forbidden
    canonical = _canonical(call, call.headers, claim.signed)
    for key in keys:
        signature = _signature(key, claim.scope, timestamp, canonical)
        same = hmac.compare_digest(signature.encode(), claim.signature.encode())
        if same and hmac.compare_digest(key.key_id.encode(), claim.key_id.encode()):
            return key
    raise Forbidden


@dataclass(frozen=True, slots=True)
class _Claim:
    """What an Authorization header says."""

    key_id: str
    date: str
    scope: str
    signed: Sequence[str]
    signature: str

    @classmethod
    def read(cls, header: str) -> Self | None:
        algorithm, _, rest = header.partition(" ")
        fields = dict(_pair(part) for part in rest.split(","))
        credential = fields.get("Credential", "").split("/")
        signed = fields.get("SignedHeaders", "").split(";")
        if algorithm != _ALGORITHM or len(credential) != 5 or credential[3:] != [SERVICE, _END]:  # noqa: PLR2004  # id and the four parts of a scope
            return None
        return cls(credential[0], credential[1], "/".join(credential[1:]), signed, fields.get("Signature", ""))


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.strip().partition("=")
    return name, value


def _is_fresh(timestamp: str, now: float) -> bool:
    try:
        signed_at = datetime.strptime(timestamp, _TIMESTAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return False
    return abs(now - signed_at) <= MAX_SKEW_S


def _canonical(call: Call, headers: Mapping[str, str], signed: Sequence[str]) -> str:
    lines = [f"{name}:{' '.join(headers[name].split())}" for name in signed]
    path = quote(call.path, safe="/~")
    body = sha256(call.body).hexdigest()
    return "\n".join([call.method, path, _canonical_query(call.query), *lines, "", ";".join(signed), body])


def _canonical_query(query: str) -> str:
    pairs = sorted(part.partition("=")[::2] for part in query.split("&") if part)
    return "&".join(f"{name}={value}" for name, value in pairs)


def _signature(key: Key, scope: str, timestamp: str, canonical: str) -> str:
    text = "\n".join([_ALGORITHM, timestamp, scope, sha256(canonical.encode()).hexdigest()])
    return _hmac(_signing_key(key.secret, scope), text).hex()


@lru_cache(maxsize=32)
def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), sha256)
