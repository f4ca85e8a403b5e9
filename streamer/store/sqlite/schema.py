"""The tables of the file, and how an older file becomes a new one.

`PRAGMA user_version` counts the migrations that a file has been through. A released migration is never edited;
a change of the layout is one more at the end.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from streamer.errors import ConfigurationError

_FIRST: Final = (
    # A body (payload, result, checkpoint) is a BLOB where it is inline, a TEXT where it names its side items.
    """CREATE TABLE requests (
        job_id TEXT NOT NULL PRIMARY KEY, client_id TEXT NOT NULL, tenant TEXT NOT NULL, user TEXT NOT NULL,
        action TEXT NOT NULL, queue TEXT NOT NULL, payload BLOB NOT NULL, payload_hash TEXT NOT NULL,
        created_ms INTEGER NOT NULL, submit_nonce TEXT NOT NULL, metadata TEXT, virtual_time INTEGER NOT NULL,
        max_retries INTEGER NOT NULL, durable INTEGER NOT NULL, redrive_of TEXT, version INTEGER NOT NULL,
        status TEXT NOT NULL, attempt INTEGER NOT NULL, retry_count INTEGER NOT NULL, owner TEXT, claim_nonce TEXT,
        due_ms INTEGER, start_by_ms INTEGER, started_ms INTEGER, ended_ms INTEGER, expires_ms INTEGER,
        cancel_requested_ms INTEGER, redriven_as TEXT, entry_partition TEXT, entry_sort TEXT,
        seq INTEGER NOT NULL, progress TEXT, result BLOB, error TEXT, chunks INTEGER NOT NULL,
        checkpoint BLOB, checkpoint_chunks INTEGER NOT NULL,
        routes TEXT NOT NULL, watch_version INTEGER NOT NULL, unknown TEXT NOT NULL
    )""",
    """CREATE INDEX requests_by_entry ON requests (entry_partition, entry_sort, job_id)
        WHERE entry_partition IS NOT NULL""",
    "CREATE INDEX requests_by_user ON requests (tenant, user, created_ms, job_id)",
    "CREATE INDEX requests_by_expiry ON requests (expires_ms) WHERE expires_ms IS NOT NULL",
    """CREATE TABLE side_items (
        job_id TEXT NOT NULL, name TEXT NOT NULL, part INTEGER NOT NULL, body BLOB NOT NULL,
        expires_ms INTEGER NOT NULL, PRIMARY KEY (job_id, name, part)
    )""",
    "CREATE INDEX side_items_by_expiry ON side_items (expires_ms)",
    """CREATE TABLE connections (
        connection_id TEXT NOT NULL PRIMARY KEY, node_id TEXT NOT NULL, tenant TEXT NOT NULL, user TEXT NOT NULL,
        connected_ms INTEGER NOT NULL, last_ping_ms INTEGER NOT NULL, reconnects INTEGER NOT NULL,
        source_ip TEXT NOT NULL, user_agent TEXT NOT NULL
    )""",
    "CREATE INDEX connections_by_user ON connections (tenant, user)",
    "CREATE INDEX connections_by_ping ON connections (last_ping_ms)",
    """CREATE TABLE nodes (
        kind TEXT NOT NULL, node_id TEXT NOT NULL, beat INTEGER NOT NULL, info TEXT NOT NULL,
        PRIMARY KEY (kind, node_id)
    ) WITHOUT ROWID""",
)

_DELIVERY: Final = (
    "ALTER TABLE requests DROP COLUMN checkpoint_chunks",
    "ALTER TABLE requests ADD COLUMN kept TEXT NOT NULL DEFAULT '[]'",
    """CREATE TABLE subscriptions (
        job_id TEXT NOT NULL, connection_id TEXT NOT NULL, tenant TEXT NOT NULL, user TEXT NOT NULL,
        expires_ms INTEGER NOT NULL, PRIMARY KEY (job_id, connection_id)
    )""",
    "CREATE INDEX subscriptions_by_expiry ON subscriptions (expires_ms)",
    # chunks of jobs (partition: the job's id), inbox entries (partition: the user's key)
    """CREATE TABLE events (
        partition TEXT NOT NULL, sort TEXT NOT NULL, body BLOB NOT NULL, expires_ms INTEGER NOT NULL,
        PRIMARY KEY (partition, sort)
    )""",
    "CREATE INDEX events_by_expiry ON events (expires_ms)",
)

_QUEUE: Final = ("ALTER TABLE requests ADD COLUMN deadline_ms INTEGER",)

MIGRATIONS: Final[Sequence[Sequence[str]]] = (_FIRST, _DELIVERY, _QUEUE)
TABLES: Final = frozenset({"requests", "side_items", "connections", "nodes", "subscriptions", "events"})


def migrate(connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Takes the file through the migrations that it has not seen, all or none; several processes may try at once.

    Raises ConfigurationError where the file has seen more than there are.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        seen = refuse_newer(connection, len(migrations))
        for statement in (statement for migration in migrations[seen:] for statement in migration):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def refuse_newer(connection: sqlite3.Connection, known: int = len(MIGRATIONS)) -> int:
    """The version of the file. Raises ConfigurationError where a newer Streamer has made it."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > known:
        raise ConfigurationError(
            f"The store file has version {version}, made by a newer Streamer, and this one knows up to {known}: "
            "install that release or name another file in STREAMER_STORE."
        )
    return version


def is_complete(connection: sqlite3.Connection) -> bool:
    """Whether the file is of this version and has all tables."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return refuse_newer(connection) == len(MIGRATIONS) and names >= TABLES
