"""The operator's view on a page of its own, before a node that says whatever a test wants it to."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Page, Route

from app.page import FOLDER, HEADERS
from tests.support.until import until

ORIGIN: Final = "http://console.test"
NOW: Final = 1_800_000_000.0
REFRESH_MS: Final = 2_000
FIRST: Final = "GET /v1/admin/overview"
"""The call that begins a refresh."""
_LAST: Final = "GET /v1/admin/jobs?queue=default&status=dead"
_TYPES: Final = {"js": "text/javascript", "css": "text/css", "html": "text/html", "svg": "image/svg+xml"}
_PAGE: Final = """<!doctype html>
<html lang="en">
  <head>
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Operator</title>
    <link rel="icon" href="/icon.svg">
    <link rel="stylesheet" href="/console.css">
    <link rel="stylesheet" href="/frame.css">
    <link rel="stylesheet" href="/requests.css">
    <link rel="stylesheet" href="/operator.css">
    <script type="module" src="/start.js"></script>
  </head>
  <body><main><h1>Console</h1><div id="operator"></div></main></body>
</html>"""
_START: Final = """
import { Api } from "./api.js";
import { OperatorView } from "./operator/view.js";
const canWrite = location.search !== "?reads";
window.view = new OperatorView(document.getElementById("operator"), new Api(() => "a.b.c"), { canWrite });
view.show();
"""


class ScriptedNode:
    """Answers the page's calls. A test sets the fields; `calls` has what was asked, as `GET /v1/…`."""

    def __init__(self) -> None:
        self.overview: dict[str, Any] = overview()
        self.history: dict[str, Any] = {"step_s": 15, "points": []}
        self.connections: list[dict[str, Any]] = []
        self.jobs: dict[str, list[dict[str, Any]]] = defaultdict(list)  # by status
        self.refusals: dict[str, tuple[int, str, str]] = {}  # beginning of a call: HTTP status, code, message
        self.is_away = False
        self.held: list[Route] | None = None  # calls that are not answered, where there is a list
        self.calls: list[str] = []

    async def open(self, page: Page, query: str = "") -> None:
        """The page shows the view when this returns; its clock stands still until the test moves it."""
        await page.clock.install(time=NOW)
        await page.clock.pause_at(NOW + 1)
        await page.route(f"{ORIGIN}/**", self._answer)
        await page.goto(f"{ORIGIN}/{query}")

    async def refreshed(self, page: Page) -> None:
        """Time passes for the page until it has asked for everything once more."""
        before = self.count(FIRST)

        async def asked() -> bool:
            await page.clock.run_for(REFRESH_MS)
            return before < self.count(FIRST) == self.count(_LAST)

        await until(asked, what="a refresh")

    def count(self, beginning: str) -> int:
        """Of the calls that begin so."""
        return sum(call.startswith(beginning) for call in self.calls)

    async def _answer(self, route: Route) -> None:
        url = urlsplit(route.request.url)
        if not url.path.startswith("/v1/"):
            await route.fulfill(**_file(url.path))
            return
        call = f"{route.request.method} {url.path}{'?' if url.query else ''}{url.query}"
        self.calls.append(call)
        if self.is_away:
            await route.abort("connectionrefused")
        elif self.held is not None:
            self.held.append(route)
        else:
            await route.fulfill(**self._spoken(call))

    def _spoken(self, call: str) -> dict[str, Any]:
        for beginning, (status, code, message) in self.refusals.items():
            if call.startswith(beginning):
                return {"status": status, "json": {"type": "error", "error": {"code": code, "message": message}}}
        value = self._value(call)
        return {"status": 204} if value is None else {"json": value}

    def _value(self, call: str) -> Any:
        method, _, rest = call.partition(" ")
        url = urlsplit(rest)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        known = {
            "/v1/admin/overview": self.overview,
            "/v1/admin/history": self.history,
            "/v1/admin/connections": {"connections": self.connections},
        }
        if url.path in known:
            return known[url.path]
        if url.path == "/v1/admin/jobs":
            return self._page(asked)
        _, _, job_id, *deed = url.path.removeprefix("/").split("/")[1:]
        return self._done(method, job_id, *deed)

    def _page(self, asked: Mapping[str, str]) -> dict[str, Any]:
        begin, limit = int(asked.get("cursor", 0)), int(asked["limit"])
        names = [name for name in ("tenant", "action") if name in asked]
        jobs = [job for job in self.jobs[asked["status"]] if all(job[name] == asked[name] for name in names)]
        end = begin + limit
        return {"jobs": jobs[begin:end], "cursor": str(end) if end < len(jobs) else None}

    def _done(self, method: str, job_id: str, deed: str = "") -> Any:
        if deed == "redrive":
            letter = next(job for job in self.jobs["dead"] if job["job_id"] == job_id)
            letter["redriven_as"] = "f" * 32
            return {"job_id": "f" * 32}
        standing = "dead" if method == "DELETE" else "running"
        self.jobs[standing] = [job for job in self.jobs[standing] if job["job_id"] != job_id]
        return None if method == "DELETE" else {"status": "CANCELLING"}


def overview(**fields: Any) -> dict[str, Any]:
    """An installation with one queue, a node and a worker, all well."""
    return {"at": NOW, "dead_after_s": 10.0, "queues": [queue()], "nodes": [node()], "workers": [worker()], **fields}


def queue(name: str = "default", **fields: Any) -> dict[str, Any]:
    counts = {"waiting": 0, "running": 0, "delayed": 0, "dead": 0}
    return {"queue": name, **counts, "is_exact": True, "oldest_age_s": None, "tenants": [], **fields}


def node(name: str = "node-a", **fields: Any) -> dict[str, Any]:
    told = {"endpoint": "http://10.0.0.1:8081", "version": "0.1.0", "draining": False, "beat_age_s": 0.4}
    return {"node_id": name, **told, "connections": 3, **fields}


def worker(name: str = "worker-a", **fields: Any) -> dict[str, Any]:
    told = {"endpoint": "http://10.0.0.2:8082", "version": "0.1.0", "draining": False, "beat_age_s": 0.4}
    return {"worker_id": name, **told, "queues": ["default"], "slots": 100, "running": 2, **fields}


def job(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A running one, halfway."""
    identity = {"job_id": f"{number:032x}", "request_id": f"request-{number}", "tenant": "acme", "user": "ann"}
    progress = {"attempt": 1, "percentage": 50.0, "message": "printing", "chunks": 0, "retry_count": 0}
    times = {"created_at": NOW - 60, "started_at": NOW - 30, "ready_at": None, "ended_at": None}
    place = {"action": "print_booklet", "queue": "default", "status": "PROCESSING", "worker": "worker-a"}
    return {**identity, **progress, **times, **place, "error": None, "redriven_as": None, **fields}


def letter(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A dead one."""
    error = {"code": "NO_GLUE", "message": "There is no glue.", "details": {"error_id": "e-1"}}
    return job(number, **{"status": "FAILED", "worker": None, "error": error, "ended_at": NOW - 7200, **fields})


def points(*waiting: int, step_s: int = 15) -> dict[str, Any]:
    """A history whose newest point is of now."""
    at = [NOW - step_s * back for back in reversed(range(len(waiting)))]
    made = [_point(at, count) for at, count in zip(at, waiting, strict=True)]
    return {"step_s": step_s, "points": made}


def _point(at: float, waiting: int) -> dict[str, Any]:
    default = {"waiting": waiting, "delayed": 1, "dead": 2, "oldest_age_s": 4.0 * waiting}
    slow = {"waiting": 100, "delayed": 0, "dead": 0, "oldest_age_s": None}
    counts = {"nodes": 1, "workers": 1, "connections": 3, "running": 2}
    return {"at": at, **counts, "queues": {"default": default, "slow": slow}}


def _file(path: str) -> dict[str, Any]:
    content_type = _TYPES.get(path.rpartition(".")[2], "text/html")
    own = {"/": _PAGE, "/start.js": _START}
    body = own[path].encode() if path in own else (FOLDER / path.removeprefix("/")).read_bytes()
    return {"body": body, "headers": {**HEADERS, "content-type": content_type}}
