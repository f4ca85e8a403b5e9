"""Names of things: who is who, without asking anybody."""

import hashlib
import os
import re
import secrets
import uuid
from typing import Any

import orjson

CLIENT_ID = re.compile(r"[A-Za-z0-9._:~-]{1,128}")
ACTION = re.compile(r"[A-Za-z0-9._-]{1,64}")
QUEUE = ACTION
CONNECTION_ID = re.compile(r"[0-9a-f]{12}\.[A-Za-z0-9_-]{22}")
"""What `connection_id` makes."""
JOB_ID = re.compile(r"[0-9a-f]{32}")
"""What `job_id` makes."""
_NUL = b"\0"


def job_id(tenant: str, user: str, client_id: str) -> str:
    """The job's key: 32 hex characters of sha256 over the parts, kept apart by NUL.

    Two tenants or users never meet in one key, whatever ids they choose: a JWT claim with a NUL in it is
    refused by `streamer.auth`, so ("t1", "1x") and ("t11", "x") hash different bytes.
    """
    digest = hashlib.sha256(_NUL.join(part.encode() for part in (tenant, user, client_id)))
    return digest.hexdigest()[:32]


def payload_hash(action: str, payload: Any) -> str:
    """What makes two submits the same request: action and parsed payload, the order of keys aside."""
    canonical = orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(action.encode() + _NUL + canonical).hexdigest()[:32]


def content_hash(content: bytes) -> str:
    """Names these very bytes: 32 hex characters."""
    return hashlib.sha256(content).hexdigest()[:32]


def user_key(tenant: str, user: str) -> str:
    """One string for a user of a tenant, of fixed length: 32 hex characters."""
    return hashlib.sha256(tenant.encode() + _NUL + user.encode()).hexdigest()[:32]


def nonce() -> str:
    """16 hex characters that tell my write from everybody else's."""
    return secrets.token_hex(8)


def boot_id() -> str:
    """One life of a process (a node or a worker session): 12 hex characters, never used again."""
    return secrets.token_hex(6)


def connection_id(boot: str) -> str:
    """Unguessable, and beginning with the boot id of the node on which the connection was born."""
    return f"{boot}.{secrets.token_urlsafe(16)}"


def uuid7(now_ms: int) -> str:
    """A UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then 74 random bits."""
    random = int.from_bytes(os.urandom(10), "big")
    value = (now_ms & (1 << 48) - 1) << 80 | 0x7 << 76 | (random >> 68 & 0xFFF) << 64
    value |= 0b10 << 62 | random & (1 << 62) - 1
    return str(uuid.UUID(int=value))
