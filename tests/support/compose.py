"""The project's docker-compose.yml under a project name of its own, on free ports, removed at the end."""

import json
import os
import re
import secrets
import subprocess
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
    """A context manager: the images are built on the way in; containers and volumes are gone on the way out."""

    def __init__(self) -> None:
        self._project = f"streamer-test-{secrets.token_hex(4)}"

    def __enter__(self) -> Self:
        self.run("build", "--quiet")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run("down", "--volumes", "--remove-orphans", "--timeout", "45")

    def up(self, *, app: int = 1, worker: int = 1) -> None:
        """Returns when every service is healthy, or has done its work; else the error ends with their logs."""
        try:
            self.run("up", "--wait", "--wait-timeout", "180", "--scale", f"app={app}", "--scale", f"worker={worker}")
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

    def containers(self) -> list[Container]:
        lines = self.run("ps", "--all", "--format", "json").splitlines()
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [Container(row["Name"], row["Service"], row["ExitCode"], row["Health"]) for row in rows]

    def run(self, *arguments: str, timeout_s: float = 900) -> str:
        """`docker compose` with these arguments; its output. An error carries what it printed."""
        done = subprocess.run(
            ["docker", "compose", "--project-name", self._project, *arguments],
            cwd=ROOT,
            env={**os.environ, "STREAMER_PORTS": ""},  # any free port instead of the range
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"docker compose {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout
