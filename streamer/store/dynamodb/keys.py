"""Names of tables, indexes and attributes: the whole layout, in one place.

A write costs one unit per started KB of the whole item, names included, so attributes have short names; keys have
the names by which an operator looks for them.
"""

import zlib
from dataclasses import dataclass
from typing import Final

from streamer.jobs import ids

REQUEST_ID: Final = "RequestID"
DISPATCH_PK: Final = "DispatchPK"
DISPATCH_SK: Final = "DispatchSK"
USER_KEY: Final = "UserKey"
CREATED_AT: Final = "CreatedAt"
TENANT_KEY: Final = "TenantKey"
CONNECTION_ID: Final = "ConnectionID"
KIND: Final = "Kind"
NODE_ID: Final = "NodeID"
SORT_KEY: Final = "SK"
LEASE_KEY: Final = "LeaseKey"
SHARD_ID: Final = "ShardID"
EXPIRES: Final = "expires"  # in every table: Unix seconds, DynamoDB's time to live

DISPATCH_INDEX: Final = "DispatchIndex"
USER_INDEX: Final = "UserIndex"
TENANT_INDEX: Final = "TenantIndex"

USER_SHARDS: Final = 4
"""Of one user's jobs: an index partition bears 1,000 writes/s, and a throttled index throttles the table."""
TENANT_SHARDS: Final = 8
"""Of one tenant's connections, for the same reason: all of them reconnect at once after an outage."""

JOB: Final = {
    "job_id": REQUEST_ID,
    "client_id": "ci",
    "tenant": "tn",
    "user": "us",
    "action": "ac",
    "queue": "qu",
    "payload": "pl",
    "payload_hash": "ph",
    "created_ms": CREATED_AT,
    "submit_nonce": "sn",
    "metadata": "md",
    "virtual_time": "vt",
    "max_retries": "mr",
    "durable": "du",
    "redrive_of": "ro",
    "version": "v",
    "status": "st",
    "attempt": "at",
    "retry_count": "rc",
    "owner": "ow",
    "claim_nonce": "cn",
    "due_ms": "due",
    "start_by_ms": "sb",
    "deadline_ms": "dl",
    "started_ms": "sa",
    "ended_ms": "en",
    "expires_ms": EXPIRES,
    "cancel_requested_ms": "cr",
    "redriven_as": "ra",
    "seq": "sq",
    "progress": "pr",
    "result": "rs",
    "error": "er",
    "chunks": "ch",
    "checkpoint": "cp",
    "kept": "kp",
    "routes": "Routes",
    "watch_version": "wv",
}
"""Field of `Job` -> attribute of `streamer_requests`. `entry` is the pair DispatchPK, DispatchSK."""

CONNECTION: Final = {
    "connection_id": CONNECTION_ID,
    "node_id": "nd",
    "tenant": "tn",
    "user": "us",
    "connected_ms": "ct",
    "last_ping_ms": "lp",
    "reconnects": "n",
    "source_ip": "ip",
    "user_agent": "ua",
}
"""Field of `Connection` -> attribute of `streamer_connections`."""

SUBSCRIPTION: Final = {
    "job_id": REQUEST_ID,
    "connection_id": CONNECTION_ID,
    "tenant": "tn",
    "user": "us",
    "expires_ms": EXPIRES,
}
"""Field of `Subscription` -> attribute of `streamer_subscriptions`."""

LEASE: Final = {
    "owner": "ow",
    "counter": "ct",
    "position": "ps",
    "is_done": "dn",
}
"""Field of `Lease` -> attribute of `streamer_leases`. Its key is the pair LeaseKey (the id of the feed), ShardID."""


@dataclass(frozen=True, slots=True)
class TableNames:
    """The tables of one deployment."""

    prefix: str

    @property
    def requests(self) -> str:
        return f"{self.prefix}requests"

    @property
    def connections(self) -> str:
        return f"{self.prefix}connections"

    @property
    def subscriptions(self) -> str:
        return f"{self.prefix}subscriptions"

    @property
    def events(self) -> str:
        return f"{self.prefix}events"

    @property
    def nodes(self) -> str:
        return f"{self.prefix}nodes"

    @property
    def leases(self) -> str:
        return f"{self.prefix}leases"


def user_key(tenant: str, user: str) -> str:
    """Under which a user's connections are listed."""
    return ids.user_key(tenant, user)


def job_user_key(tenant: str, user: str, job_id: str) -> str:
    """Under which one job of a user is listed."""
    return f"{ids.user_key(tenant, user)}#{_shard(job_id, USER_SHARDS)}"


def job_user_keys(tenant: str, user: str) -> list[str]:
    return [f"{ids.user_key(tenant, user)}#{shard}" for shard in range(USER_SHARDS)]


def tenant_key(tenant: str, connection_id: str) -> str:
    """Under which one connection of a tenant is listed."""
    return f"{tenant}#{_shard(connection_id, TENANT_SHARDS)}"


def tenant_keys(tenant: str) -> list[str]:
    return [f"{tenant}#{shard}" for shard in range(TENANT_SHARDS)]


def part_key(name: str, part: int) -> str:
    """Sort key of a part of a side item."""
    return f"{name}#{part}"


def _shard(key: str, shards: int) -> int:
    return zlib.crc32(key.encode()) % shards
