"""The embedded engine: one file, several processes, nothing to install.

A process has two threads with a connection each: one writes, several calls in one transaction; one reads.
`PRAGMA synchronous=FULL` in WAL mode: what a call returned is on the disk.
"""

from streamer.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
