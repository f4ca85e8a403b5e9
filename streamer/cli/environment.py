"""What `streamer dev` sets for its processes where the user has not: pure, but for the key pair and the ports."""

import errno
import json
import os
import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from streamer.errors import ConfigurationError
from streamer.settings import Settings

DEFAULTS: Final[Mapping[str, str]] = {
    "STREAMER_CONSOLE": "true",
    "STREAMER_DRAIN_S": "2",  # Ctrl-C is to be felt
    "STREAMER_GRACE_S": "2",
    "PYTHONUNBUFFERED": "1",
}
AUTH: Final = ("STREAMER_AUTH_MODE", "STREAMER_JWT_SECRET", "STREAMER_JWT_PUBLIC_KEY", "STREAMER_JWT_JWKS_URL")
CLUSTER: Final = ("STREAMER_CLUSTER_KEY_ID", "STREAMER_CLUSTER_SECRET")


def additions(environ: Mapping[str, str], key: tuple[str, str]) -> dict[str, str]:
    """The variables to add. An empty one counts as not set.

    Authentication is off unless one of its variables is set, and tokens are given away where that is the secret; `key`
    is the cluster's unless it has one.
    """
    added = {name: value for name, value in DEFAULTS.items() if not environ.get(name)}
    if not any(environ.get(name) for name in AUTH):
        added["STREAMER_AUTH_MODE"] = "off"
    if environ.get("STREAMER_JWT_SECRET") and not environ.get("STREAMER_DEV_TOKENS"):
        added["STREAMER_DEV_TOKENS"] = "true"
    if not any(environ.get(name) for name in CLUSTER):
        added |= dict(zip(CLUSTER, key, strict=True))
    # The processes log JSON, which `streamer dev` shows as its reader likes it.
    return added | {"STREAMER_LOG_FORMAT": "json", "PYTHONSAFEPATH": "1"}


def cluster_key(path: Path) -> tuple[str, str]:
    """Key id and secret from that file; made on the first call, readable for its owner alone.

    Raises ConfigurationError if the file is something else.
    """
    try:
        return _read_key(path)
    except FileNotFoundError:
        _write_key(path, {"key_id": f"dev-{secrets.token_hex(4)}", "secret": secrets.token_urlsafe(32)})
    return _read_key(path)


def _read_key(path: Path) -> tuple[str, str]:
    try:
        key = json.loads(path.read_text())
        return str(key["key_id"]), str(key["secret"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} is not a key pair of this program; delete it, and a new one is made."
        ) from error


def _write_key(path: Path, key: Mapping[str, str]) -> None:
    """Whole or not at all: of two first starts at once, one wins and both read that one's."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(key, file)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


class PortFault(Exception):
    """The port that this variable names cannot be listened on; `what` says why, `str` also what to do."""

    def __init__(self, variable: str, host: str, port: int, error: OSError) -> None:
        self.variable = variable
        self.host = host
        self.port = port
        self.is_taken = error.errno == errno.EADDRINUSE
        reason = "is taken" if self.is_taken else f"cannot be listened on ({error.strerror})"
        self.what = f"Port {port} of {host} {reason}"
        super().__init__(f"{self.what}: stop what uses it, or set {variable} to another (0: any free one).")


def check_ports(settings: Settings) -> None:
    """Raises ConfigurationError, in a sentence, for the first port that cannot be listened on."""
    for fault in port_faults(settings):
        raise ConfigurationError(str(fault)) from fault


def port_faults(settings: Settings) -> Iterator[PortFault]:
    """Tries to listen on each port."""
    for variable, host, port in _listeners(settings):
        if port:
            try:
                _listen(host, port)
            except OSError as error:
                yield PortFault(variable, host, port, error)


def _listeners(settings: Settings) -> Iterable[tuple[str, str, int]]:
    yield "STREAMER_PORT", settings.host, settings.port
    yield "STREAMER_INTERNAL_PORT", settings.internal_host, settings.internal_port
    yield "STREAMER_WORKER_PORT", settings.internal_host, settings.worker_port


def _listen(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    socket.create_server((host, port), family=family).close()
