"""`streamer dev --reload`, while somebody writes actions and somebody else calls them."""

from pathlib import Path

import pytest

from streamer.client import Session, connect
from tests.support.ports import free_port
from tests.support.processes import Process, processes
from tests.support.until import until

ACTIONS = """
import os
import streamer

@streamer.action("price", mode="inline")
async def price():
    return [{price!r}, os.getpid()]

@streamer.action("order", mode="queued")
async def order():
    return [{price!r}, os.getpid()]
"""


async def printed(dev: Process, text: str, *, times: int = 1) -> None:
    """Waits until `streamer dev` has said it."""

    def said() -> bool:
        assert dev.exit_code is None, dev.output()
        return dev.stderr.read_text().count(text) >= times

    await until(said, timeout_s=60, what=f"streamer dev says {text}")


async def prices(session: Session) -> tuple[list[str], list[int]]:
    """What node and worker answer, and who they are."""
    told = [await session.call(action, timeout_s=60) for action in ("price", "order")]
    return [price for price, _ in told], [pid for _, pid in told]


@pytest.mark.parametrize("path", ["shop.py", "shop/__init__.py"])
async def test_the_answer_changes_with_the_code_and_the_client_stays(tmp_path: Path, path: str) -> None:
    code = tmp_path / path
    code.parent.mkdir(exist_ok=True)
    code.write_text(ACTIONS.format(price="cheap"))
    port = str(free_port())
    async with processes(tmp_path, {"STREAMER_ACTIONS": "shop", "STREAMER_PORT": port}) as group:
        dev = group.start("dev --reload")
        await printed(dev, "Console ")
        async with connect(f"http://127.0.0.1:{port}") as session:
            before, old = await prices(session)
            code.write_text(ACTIONS.format(price="dear again"))
            await printed(dev, "Reloaded.")
            after, new = await prices(session)
            assert (before, after) == (["cheap"] * 2, ["dear again"] * 2)
            assert not set(old) & set(new)

            code.write_text("def broken(:\n")
            await printed(dev, "What runs goes on with the code from before.")
            assert "SyntaxError" in dev.stderr.read_text()
            assert await prices(session) == (after, new)

            code.write_text(ACTIONS.format(price="on sale"))
            await printed(dev, "Reloaded.", times=2)
            assert (await prices(session))[0] == ["on sale"] * 2
        dev.interrupt()
        assert await dev.ended() == 0, dev.output()


async def test_a_process_that_ended_comes_back_with_the_next_change(tmp_path: Path) -> None:
    code = tmp_path / "shop.py"
    code.write_text(ACTIONS.format(price="cheap"))
    port = str(free_port())
    async with processes(tmp_path, {"STREAMER_ACTIONS": "shop", "STREAMER_PORT": port}) as group:
        dev = group.start("dev --reload")
        await printed(dev, "Console ")
        async with connect(f"http://127.0.0.1:{port}") as session:
            code.write_text(ACTIONS.format(price="cheap") + LIFESPAN)
            await printed(dev, "process ended by itself")
            await printed(dev, "Reloaded.")
            code.write_text(ACTIONS.format(price="cheap, too"))
            await printed(dev, "Reloaded.", times=2)
            assert (await prices(session))[0] == ["cheap, too"] * 2


LIFESPAN = """
@streamer.lifespan
async def resources():
    raise RuntimeError("no database")
    yield
"""


async def test_without_modules_there_is_nothing_to_watch(tmp_path: Path) -> None:
    async with processes(tmp_path) as group:
        dev = group.start("dev --reload")
        assert await dev.ended() == 2
        assert dev.stderr.read_text().splitlines()[-1].startswith("Set STREAMER_ACTIONS")


async def test_a_module_that_there_is_not_is_one_sentence(tmp_path: Path) -> None:
    async with processes(tmp_path, {"STREAMER_ACTIONS": "nowhere.actions"}) as group:
        dev = group.start("dev --reload")
        assert await dev.ended() == 2
        assert dev.stderr.read_text().splitlines()[-1] == "The module nowhere of STREAMER_ACTIONS is not found."
