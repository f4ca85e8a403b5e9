"""Under which host the others reach this process."""

import socket
from typing import Final

_WILDCARDS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  # compared with, not bound to


def advertised(host: str | None, listening_on: str) -> str:
    """`host` where it was set, else what we listen on, else (a wildcard) the address of our host name."""
    if host:
        return host
    if listening_on in _WILDCARDS:
        return socket.gethostbyname(socket.gethostname())
    return listening_on


def endpoint(host: str, port: int) -> str:
    """The base URL of an internal listener."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
