"""The README, as somebody tries it: every block of it, in a fresh clone."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page
from websockets.asyncio.client import connect as open_socket

from streamer.client import Acknowledged, RequestFailed, Submission, connect
from tests.support import readme
from tests.support.blocks import ROOT, shown
from tests.support.chromium import chromium
from tests.support.house import COMMAND_S, INSTALL_S, House
from tests.support.terminal import Terminals
from tests.support.until import until

SECRET = "a-secret-of-this-test-and-of-nothing-else"
SAID = {
    "jobs list": "acme.failing",
    "jobs show": "error_id",
    "jobs redrive": "redriven.",
    "jobs cancel": "Cancelled.",
    "data delete": '"jobs":',
    "token revoke": "Revoked the user ann of acme",
    "watch JOB_ID": "{",
    "doctor": "actions can be called.",
    "config": "STREAMER_JWT_SECRET                  ********",
}
"""What each command of an operator prints, among others."""
FAILING = """
from streamer import action

@action("acme.failing", mode="queued", retries=0)
async def failing() -> None:
    raise RuntimeError("as it is meant to")
"""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    try:
        await house.terminals["first"].run(f"git clone -q {ROOT} {house.clone}", timeout_s=COMMAND_S)
        yield house
    finally:
        await house.terminals.close()


@pytest.mark.browser
@pytest.mark.timeout(900)
async def test_somebody_tries_all_that_it_shows(house: House) -> None:
    dev, test = house.lines("two_commands")
    await house.start(dev)
    await house.run(f"make -n {test.removeprefix('make ')}")  # what it would do: it would run this test, too
    await type_into_a_socket(house)

    for name in ("actions", "nightly"):
        write(house.clone, house.text(name))
    await house.start(house.text("with_actions").strip())
    await start_jobs(house)
    assert "Completed(" in await house.run(script("python", house.text("python")))

    (house.clone / "acme" / "failing.py").write_text(FAILING)
    setting = f"STREAMER_JWT_SECRET={SECRET} STREAMER_ALLOWED_ORIGINS=http://127.0.0.1:{house.page_port}"
    await house.start(f"{setting} STREAMER_ACTIONS=acme.actions,acme.nightly,acme.failing make dev")
    token = await token_of(house, "ann")
    await run_the_nightly(house, token)
    await open_pages(house, token)
    await call_from_the_shell(house, token)
    await operate(house)


def write(folder: Path, source: str) -> None:
    """A file whose first line names it."""
    path = folder / source.splitlines()[0].removeprefix("# ")
    path.parent.mkdir(exist_ok=True)
    path.write_text(source)


def script(name: str, source: str) -> str:
    """A command that runs a program of the README."""
    return f"python - <<'END_OF_{name}'\n{source}\nEND_OF_{name}"


async def type_into_a_socket(house: House) -> None:
    """The session with websocat, by a client that knows nothing of Streamer either."""
    first, *lines = house.text("socket").splitlines()
    address = re.search(r"ws://\S+", first)
    assert address is not None
    async with open_socket(address[0], proxy=None) as socket:
        for line in lines:
            if line.startswith('{"id"'):
                await socket.send(line)
            elif line == "…":
                continue
            else:
                await hear(socket, line)


async def hear(socket: Any, expected: str) -> None:
    """Reads until that comes; what comes between is left out in the README."""
    async with asyncio.timeout(COMMAND_S):
        while not shown(expected).search(f"{await socket.recv()}\n"):
            pass


async def start_jobs(house: House) -> None:
    """By the action of the README, by another action, and by a back end that shares the settings of `make dev`."""
    days = {"start_date": "2024-01-01", "end_date": "2024-01-31"}
    async with connect(house.url) as session:
        assert (await session.call("acme.report", days, id="r-1"))["url"] == "https://acme.example/r-1.pdf"
    key = json.loads((house.clone / ".streamer" / "cluster.json").read_text())
    shared = f"STREAMER_CLUSTER_KEY_ID={key['key_id']} STREAMER_CLUSTER_SECRET={key['secret']}"
    program = script("back_end", house.text("back_end"))
    said = "Submitted(request_id='report-2024-01', …)"
    await house.run(f"{shared} STREAMER_ACTIONS=acme.actions PYTHONPATH=. {program}", said)


async def token_of(house: House, user: str) -> str:
    command = f"STREAMER_JWT_SECRET={SECRET} streamer token --user {user} --tenant acme --permission '*'"
    found = re.search(r"^ey\S+\.\S+\.\S+$", await house.run(command), re.MULTILINE)
    assert found is not None
    return found[0]


async def run_the_nightly(house: House, token: str) -> None:
    """What its schedule starts, by hand: it leaves a job of the same user."""
    async with connect(house.url, token) as session:
        nightly = session.submit("acme.nightly")
        job_id = await job_id_of(nightly)
        await nightly
        report = session.resume(f"{job_id}.1")  # the first that it started
        assert (await report)["url"].startswith("https://acme.example/")


async def open_pages(house: House, token: str) -> None:
    async with chromium() as browser:
        context = await browser.new_context()
        told = await programs(context, house, token, ("browser", "bare_browser"))
        try:
            await until(lambda: "complete" in told["browser"])
            await until(lambda: any("response" in said for said in told["bare_browser"]))
        except AssertionError as error:
            raise AssertionError(f"the pages printed {told}") from error


async def programs(context: BrowserContext, house: House, token: str, names: Sequence[str]) -> dict[str, list[str]]:
    """What the programs print, each in a page of its own; they come from another server, whose origin is allowed."""
    told: dict[str, list[str]] = {name: [] for name in names}
    site = await house.terminal("site")
    serve = f"python3 -m http.server {house.page_port} --bind 127.0.0.1 --directory {pages(house, token, names)}"
    await site.run(serve, shows=shown("Serving HTTP on …"), timeout_s=COMMAND_S)
    for name in names:
        page = await context.new_page()
        listen(page, told[name])
        await page.goto(f"http://127.0.0.1:{house.page_port}/{name}.html")
    return told


def listen(page: Page, told: list[str]) -> None:
    page.on("console", lambda said: told.append(said.text))
    page.on("pageerror", lambda error: told.append(str(error)))


def pages(house: House, token: str, names: Sequence[str]) -> Path:
    """A folder that has them."""
    folder = house.clone / "pages"
    folder.mkdir()
    for name in names:
        program = f"const token = {json.dumps(token)};\n{house.text(name)}"
        (folder / f"{name}.html").write_text(f"<!doctype html><script type=module>{program}</script>")
    return folder


async def call_from_the_shell(house: House, token: str) -> None:
    await house.run(f"export TOKEN={token} STREAMER_TOKEN={token} URL={house.url}")
    submit, follow = house.lines("curl")
    await house.run(submit, '{"type":"acknowledgment","request_id":"7",…}')
    await house.run(follow, '…\ndata: {"type":"complete","request_id":"7",…,"result":{"hello":"there"},…}')
    call, wscat = house.lines("shell")  # the second leaves where its keyboard does
    await house.run(call, '…"message"…"hi"…')
    await house.run("mkfifo keyboard")
    await house.run(f"{wscat} <>keyboard", '…{"type":"response",…,"success":true,…}…')


async def job_id_of(submission: Submission) -> str:
    """Once it is stored."""
    async for event in submission:
        if isinstance(event, Acknowledged) and event.job_id is not None:
            return event.job_id
    raise AssertionError("it was never acknowledged")


async def operate(house: House) -> None:
    """Each command of the list by itself; the jobs are such as the command is for, and of a user that stays."""
    token = await token_of(house, "bob")
    async with connect(house.url, token) as session:
        failed, done = session.submit("acme.failing"), session.submit("echo_async", {"duration_s": 0})
        waiting = session.submit("echo_async", {}, options={"delay_seconds": 3600})
        jobs = {"show": await job_id_of(failed), "watch": await job_id_of(done), "cancel": await job_id_of(waiting)}
        with pytest.raises(RequestFailed):
            await failed
        await done
    key = json.loads((house.clone / ".streamer" / "cluster.json").read_text())
    await house.run(f"export STREAMER_TOKEN={token} STREAMER_JWT_SECRET={SECRET} STREAMER_ACTIONS=acme.actions")
    await house.run(f"export STREAMER_CLUSTER_KEY_ID={key['key_id']} STREAMER_CLUSTER_SECRET={key['secret']}")
    for command in house.lines("operate"):
        verb = next((verb for verb in jobs if f" {verb} " in command), "")
        answer = "yes | " if "data delete" in command else ""
        said = await house.run(answer + command.replace("JOB_ID", str(jobs.get(verb))))
        assert SAID[" ".join(command.split()[1:3])] in said, said


@pytest.mark.compose
@pytest.mark.timeout(900)  # images are built
async def test_somebody_tries_the_containers(tmp_path: Path) -> None:
    env = {"COMPOSE_PROJECT_NAME": f"streamer-readme-{secrets.token_hex(4)}", "STREAMER_PORTS": ""}  # any free ports
    terminals = Terminals(ROOT, tmp_path, env)
    try:
        for command in readme.block("compose").text.splitlines():
            said = await terminals["first"].run(command, timeout_s=INSTALL_S)
        assert re.search(r"^ey\S+\.\S+\.\S+", said, re.MULTILINE), said
    finally:
        await terminals["first"].run("docker compose down --volumes --remove-orphans", timeout_s=INSTALL_S)
        await terminals.close()
