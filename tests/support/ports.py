"""Ports of this machine for servers that have to be told one."""

import random
import socket
from typing import Final

FIRST: Final = 15_000
LAST: Final = 30_000
"""Below what systems give to sockets that name no port (from 32768 on with Linux, from 49152 on elsewhere), so that
nobody takes one between its choice, or the stop of its server, and the start that uses it."""


def free_port() -> int:
    """A port at which nobody listens; chosen by chance, so that tests that run side by side choose different ones."""
    while True:
        port = random.randint(FIRST, LAST)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: who only lingers is no one
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
