"""Start, health, limits under load, and the end of a node."""

import asyncio
import os
import signal
import socket
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.main import create_app
from app.server import Server, serving
from streamer.errors import ConfigurationError, StoreUnavailable
from streamer.protocol.codes import Close
from tests.integration.app.actions import gates
from tests.integration.app.house import House, house, settings
from tests.support.until import until


async def status(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_health(node: House) -> None:
    for base in (node.server.url, node.node.internal_url):
        assert (await status(f"{base}/livez"))[0] == 200
        await until(partial(_is, f"{base}/readyz", 200, "ready"))
        node.node.health.loop_lag_s = 9.0
        assert await _is(f"{base}/readyz", 503, "overloaded")
        node.node.health.loop_lag_s = 0.0
        node.node.health.is_draining = True
        assert await _is(f"{base}/readyz", 503, "draining")
        assert (await status(f"{base}/livez"))[0] == 200
        node.node.health.is_draining = False
    assert (await status(f"{node.server.url}/metrics"))[0] == 404
    assert "streamer_connections 0.0" in (await status(f"{node.node.internal_url}/metrics"))[1]
    assert (await status(f"{node.server.url}/"))[0] == 404


async def _is(url: str, code: int, word: str) -> bool:
    answer = await status(url)
    return answer[0] == code and word in answer[1]


async def test_a_node_without_a_store_is_alive_and_not_ready(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    async with serving(settings(tmp_path, store=f"sqlite:///{blocked}/streamer.db")) as server:
        assert await _is(f"{server.url}/readyz", 503, "starting")
        assert (await status(f"{server.url}/livez"))[0] == 200
        blocked.unlink()
        await until(lambda: _is(f"{server.url}/readyz", 200, "ready"))


async def test_the_console_is_served_where_it_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text("<title>Console</title>")
    monkeypatch.setattr("app.page.FOLDER", tmp_path / "page")
    async with house(tmp_path, console=True) as node, aiohttp.ClientSession() as session:
        async with session.get(node.server.url) as answer:
            assert answer.status == 200
            assert "default-src 'none'" in answer.headers["content-security-policy"]
        for path in ("/../house.py", "/nothing.js", "/%2e%2e/secret"):
            async with session.get(node.server.url + path) as answer:
                assert answer.status == 404
        client = await node.client()
        assert (await client.ask(action="echo"))["type"] == "response"


def test_settings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="JWT"):
        create_app(settings(tmp_path, jwt_secret=None))
    with pytest.raises(ConfigurationError, match="cannot be imported"):
        create_app(settings(tmp_path, actions=("no.such.module",)))


def test_an_app_reads_the_environment_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured: list[str] = []
    monkeypatch.setattr("app.main.log.configure", lambda *given: configured.extend(given))
    monkeypatch.setenv("STREAMER_AUTH_MODE", "off")
    monkeypatch.setenv("STREAMER_CLUSTER_KEY_ID", "k")
    monkeypatch.setenv("STREAMER_CLUSTER_SECRET", "s")
    monkeypatch.setenv("STREAMER_STORE", f"sqlite:///{tmp_path}/streamer.db")
    assert "echo" in create_app().state.registry
    assert configured == ["auto", "INFO"]


async def test_a_node_that_cannot_start_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = settings(tmp_path, internal_port=taken.getsockname()[1])
        with pytest.raises(ConfigurationError):
            async with serving(busy):
                pytest.fail("it started")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = settings(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(SystemExit):
            await Server(create_app(busy), busy)._serve()


async def test_the_drain_lets_answers_go_out_first(tmp_path: Path) -> None:
    async with house(tmp_path, drain_s=20) as node:
        idle = [await node.client() for _ in range(5)]
        busy = await node.client()
        await busy.send(action="wait", id="r1", payload={"gate": "leaving"})
        await until(lambda: len(node.node.inline) == 1)
        node.server.stop()
        node.server.stop()
        for client in idle:
            assert await client.closed() == Close.RESTARTING
        assert node.node.health.is_draining
        assert (await busy.ask(action="echo", id="still"))["type"] == "response"
        gates["leaving"].set()
        assert (await busy.next())["data"] == {"gate": "leaving"}
        assert await busy.closed() == Close.RESTARTING

        async def no_rows() -> bool:
            return not await node.store.connections.list_by_user("t1", "ann") and not await node.store.nodes.list("app")

        await until(no_rows)


async def test_a_client_that_knows_it_is_told_when_to_leave_and_a_plain_one_is_just_closed(tmp_path: Path) -> None:
    async with house(tmp_path, drain_s=20) as node:
        modern, plain = await node.client(v1=True), await node.client()
        node.server.stop()
        told = await modern.next()
        assert (told["type"], told["reason"]) == ("drain", "the node restarts")
        start_ms, end_ms = told["reconnect_after_ms"]
        assert 0 <= start_ms < end_ms < told["deadline_ms"] <= 20_000
        for client in (modern, plain):
            assert await client.closed() == Close.RESTARTING
        with pytest.raises(ConnectionClosed):
            await plain.next()


async def test_who_leaves_in_time_is_not_closed_by_the_node(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with house(tmp_path, drain_s=20) as node:
            leaving, staying = await node.client(v1=True), await node.client()
            await leaving.send(action="wait", id="r1", payload={"gate": "leaving"})
            await until(lambda: len(node.node.inline) == 1)  # so that it is not closed first
            node.server.stop()
            assert (await leaving.next())["type"] == "drain"
            await leaving.socket.close()
            assert await staying.closed() == Close.RESTARTING
            gates["leaving"].set()
    began, ended = (line for line in lines if line["event"] in ("draining", "drained"))
    assert (began["connections"], began["inline"], began["window_s"]) == (2, 1, 0.2)
    assert (ended["left"], ended["closed"], ended["cut"]) == (1, 1, 0)


async def test_a_node_that_leaves_takes_nobody_in(tmp_path: Path) -> None:
    async with house(tmp_path, drain_s=20) as node:
        busy = await node.client()
        await busy.send(action="wait", id="r1", payload={"gate": "leaving"})
        await until(lambda: len(node.node.inline) == 1)
        node.server.stop()
        await until(lambda: _is(f"{node.server.url}/readyz", 503, "draining"))
        with pytest.raises(InvalidStatus) as refused:
            await node.client()
        assert refused.value.response.status_code == 503
        assert int(refused.value.response.headers["retry-after"]) > 0
        gates["leaving"].set()
        assert (await busy.next())["type"] == "response"


async def test_a_connection_that_became_old_is_asked_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.age.LOOK_AGAIN_S", 0.01)
    monkeypatch.setattr("app.age.WINDOW", (0.0, 0.05))
    async with house(tmp_path, max_connection_age_s=0.1) as node:
        modern, plain = await node.client(v1=True), await node.client()
        told = await modern.next()
        assert (told["type"], told["reason"]) == ("drain", "connection age")
        for client in (modern, plain):
            assert await client.closed() == Close.RESTARTING
        again = await node.client()
        assert (await again.ask(action="echo"))["type"] == "response"


async def test_a_connection_may_become_as_old_as_it_likes_where_nobody_says_otherwise(node: House) -> None:
    assert "connection ages" not in {task.get_name() for task in asyncio.all_tasks()}
    assert node.node.settings.max_connection_age_s == 0


async def test_what_does_not_end_in_time_is_stopped_and_says_so(tmp_path: Path) -> None:
    async with house(tmp_path, drain_s=0.1) as node:
        client = await node.client()
        await client.send(action="wait", id="r1", payload={"gate": "never"})
        await until(lambda: len(node.node.inline) == 1)
        node.server.stop()
        answer = await client.next()
        assert answer["error"]["code"] == "SERVICE_UNAVAILABLE"
        assert answer["error"]["retry"]["retryable"] is True
        assert await client.closed() == Close.RESTARTING


async def test_a_signal_drains_and_a_second_one_ends(tmp_path: Path) -> None:
    chosen = settings(tmp_path, drain_s=30)
    server = Server(create_app(chosen), chosen)
    task = asyncio.create_task(server.serve(), name="server under signals")
    await server.up.wait()
    assert not server.should_exit
    os.kill(os.getpid(), signal.SIGTERM)
    await task
    assert server.node.health.is_draining
    server.handle_exit(signal.SIGTERM, None)
    assert server.force_exit


async def test_a_signal_before_the_start_ends_it(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    server = Server(create_app(chosen), chosen, takes_signals=False)
    server.handle_exit(signal.SIGINT, None)
    assert server.should_exit


async def test_a_part_that_dies_takes_the_node_along(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    server = Server(create_app(chosen), chosen)
    task = asyncio.create_task(server.serve(), name="server with a fault")
    await server.up.wait()

    async def dies() -> None:
        raise RuntimeError("a bug")

    server.node.tasks.start(dies(), "a part")
    await task
    assert server.node.tasks.died


async def test_a_store_that_is_away_at_the_end_delays_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(tmp_path) as node:

        async def away(*_: object) -> None:
            raise StoreUnavailable

        await node.client()
        await until(lambda: node.node.health.store_was_seen)
        monkeypatch.setattr(node.node.registrar._connections, "delete", away)
