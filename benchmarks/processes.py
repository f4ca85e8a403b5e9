"""Servers as processes of their own, and what they use of the CPU."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from streamer.auth import issue_token

TENANT: Final = "bench"
USER: Final = "bench"
SECRET: Final = "a-secret-of-the-benchmarks-and-nothing-else"
READY_TIMEOUT_S: Final = 60.0
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_ROOT: Final = Path(__file__).parents[1]


def token() -> str:
    return issue_token(SECRET, user=USER, tenant=TENANT, permissions=["*"], expires_in_s=3600)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(*command: str, environment: Mapping[str, str] | None = None) -> Iterator[int]:
    """The pid of `python <command>`, stopped by SIGTERM on the way out."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("STREAMER_")}
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=_ROOT,
        env={**clean, **(environment or {})},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def node(environment: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    """(pid, port) of an app node that is ready."""
    port, internal = free_port(), free_port()
    ports = {"STREAMER_PORT": str(port), "STREAMER_INTERNAL_PORT": str(internal)}
    with running("-m", "app", environment={**environment, **ports}) as pid:
        wait_for(f"http://127.0.0.1:{internal}/readyz")
        yield pid, port


@contextlib.contextmanager
def worker(environment: Mapping[str, str]) -> Iterator[int]:
    """The pid of a worker that is ready."""
    port = free_port()
    with running("-m", "workers", environment={**environment, "STREAMER_WORKER_PORT": str(port)}) as pid:
        wait_for(f"http://127.0.0.1:{port}/readyz")
        yield pid


def environment(folder: Path) -> dict[str, str]:
    """What node and worker share: one SQLite file, tokens and everything else as deployed, limits out of the way."""
    return {
        "STREAMER_STORE": f"sqlite:///{folder / 'bench.db'}",
        "STREAMER_ACTIONS": "benchmarks.actions",
        "STREAMER_JWT_SECRET": SECRET,
        "STREAMER_CLUSTER_KEY_ID": "bench",
        "STREAMER_CLUSTER_SECRET": SECRET,
        "STREAMER_RATE_LIMIT": "1000000",
        "STREAMER_LOG_LEVEL": "WARNING",
        "PYTHONSAFEPATH": "",  # this folder's code, installed or not
    }


def wait_for(url: str) -> None:
    end = time.monotonic() + READY_TIMEOUT_S
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1):
            return
        if time.monotonic() > end:
            raise TimeoutError(f"{url} did not answer with 200 within {READY_TIMEOUT_S:g} s")
        time.sleep(0.05)


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used, in user and kernel mode, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def memory_mb(pid: int) -> float:
    """What of a process lies in memory (its resident set), in millions of bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
