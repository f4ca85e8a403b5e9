"""Which process listens on a port, as far as /proc tells (Linux; of other users' processes only to root)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
_LISTENS: Final = "0A"
"""TCP_LISTEN, include/net/tcp_states.h"""


def of(port: int, proc: Path = PROC) -> str | None:
    """`python3 (process 4711)`; None where it cannot be told."""
    sockets = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _inodes(proc / "net" / table, port)}
    if not sockets:
        return None
    for process in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile, or belongs to somebody else
            if any(str(descriptor.readlink()) in sockets for descriptor in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return None


def _inodes(table: Path, port: int) -> Iterator[str]:
    """Of the sockets that listen there; columns: number, local address, remote address, state, …, inode the tenth."""
    with contextlib.suppress(OSError):
        for line in table.read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == _LISTENS and int(columns[1].rpartition(":")[2], 16) == port:
                yield columns[9]
