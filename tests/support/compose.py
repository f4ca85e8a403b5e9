"""The project's docker-compose.yml under a project name of its own, on free ports, removed at the end."""

import json
import os
import re
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

ROOT: Final = Path(__file__).parents[2]
COMPLETED: Final = re.compile(r'^streamer_attempts_total\{.*outcome="complete".*\} (\S+)$', re.MULTILINE)
READ_METRICS: Final = (
    "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8082/metrics').read().decode())"
)


@dataclass(frozen=True, slots=True)
class Container:
    name: str
    service: str
    exit_code: int
    health: str


class Compose:
    """A context manager: the images are built on the way in; containers and volumes are gone on the way out.

    `override`: what is to differ from docker-compose.yml, as a second compose file would say it, by service.
    """

    def __init__(self, override: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._project = f"streamer-test-{secrets.token_hex(4)}"
        self._override = json.dumps({"services": override or {}})
        self._scale: tuple[str, ...] = ()  # as `up` was asked to, last

    def __enter__(self) -> Self:
        self.run("build", "--quiet")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run("down", "--volumes", "--remove-orphans", "--timeout", "45")

    def up(self, *, app: int = 1, worker: int = 1) -> None:
        """Returns when every service is healthy, or has done its work; else the error ends with their logs."""
        self._scale = ("--scale", f"app={app}", "--scale", f"worker={worker}")
        self._up()

    def restart(self, service: str, index: int) -> int:
        """One container as a deploy does it: SIGTERM, SIGKILL when its grace period is over, and a new process.

        The exit code of the old one, as soon as the new one is healthy.
        """
        _docker("stop", self._name(service, index))
        exit_code = _docker("inspect", "--format", "{{.State.ExitCode}}", self._name(service, index))
        self._up("--no-deps", "--no-recreate", "app", "worker")
        return int(exit_code)

    def _up(self, *arguments: str) -> None:
        try:
            self.run("up", "--wait", "--wait-timeout", "180", *self._scale, *arguments)
        except AssertionError as error:
            error.add_note(self.run("logs", "--no-color", "--tail", "50"))
            raise

    def url(self, index: int = 1) -> str:
        """Where the node of this number takes WebSockets. Changes when the node restarts."""
        return f"ws://{self.run('port', '--index', str(index), 'app', '8080').strip()}/ws"

    def token(self, user: str, tenant: str) -> str:
        """A token with all permissions, made inside by `streamer token`."""
        command = ("streamer", "token", "--user", user, "--tenant", tenant, "--permission", "*")
        return self.execute("app", *command).strip()

    def execute(self, service: str, *command: str, index: int = 1) -> str:
        """The output of a command in a running container; CalledProcessError when it fails."""
        return self.run("exec", "-T", "--index", str(index), service, *command)

    def completed(self, index: int) -> int:
        """How many attempts this worker brought to their end."""
        exposition = self.execute("worker", "python", "-c", READ_METRICS, index=index)
        return sum(int(float(value)) for value in COMPLETED.findall(exposition))

    def events(self, service: str, index: int) -> list[dict[str, Any]]:
        """What a container has logged, through all its restarts, oldest first."""
        lines = _docker("logs", self._name(service, index)).splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def containers(self) -> list[Container]:
        lines = self.run("ps", "--all", "--format", "json").splitlines()
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [Container(row["Name"], row["Service"], row["ExitCode"], row["Health"]) for row in rows]

    def run(self, *arguments: str) -> str:
        """`docker compose` with these arguments; its output. An error carries what it printed."""
        files = ("--file", "docker-compose.yml", "--file", "-")
        return _docker("compose", "--project-name", self._project, *files, *arguments, told=self._override)

    def _name(self, service: str, index: int) -> str:
        return f"{self._project}-{service}-{index}"


def _docker(*arguments: str, told: str = "") -> str:
    done = subprocess.run(
        ["docker", *arguments],
        cwd=ROOT,
        env={**os.environ, "STREAMER_PORTS": ""},  # any free port instead of the range
        input=told,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"docker {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout
