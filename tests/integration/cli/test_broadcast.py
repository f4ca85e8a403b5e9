"""`streamer broadcast` against the internal port of a node."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from streamer.cli.program import program
from streamer.cli.sentences import INTERRUPTED
from streamer.store.base import Store
from streamer.store.open import open_store
from tests.support.management_node import KEY, ManagementNode


async def broadcast(*arguments: str) -> Result:
    """Runs the command in a thread of its own, as it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, program, ["broadcast", *arguments])


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    url = f"sqlite:///{tmp_path}/s.db"
    monkeypatch.setenv("STREAMER_STORE", url)
    monkeypatch.setenv("STREAMER_CLUSTER_KEY_ID", KEY.key_id)
    monkeypatch.setenv("STREAMER_CLUSTER_SECRET", KEY.secret)
    async with open_store(url) as opened:
        await opened.create()
        yield opened


async def test_who_was_told_is_counted_on_stdout(store: Store) -> None:
    async with ManagementNode().serving(store) as node:
        ann, bob = await node.connect(store), await node.connect(store, user="bob")
        to_all = await broadcast("--tenant", "acme", '{"text": "hi"}')
        node.answers[bob] = 410
        to_bob = await broadcast("--tenant", "acme", "--user", "bob", "--rate", "1", "1")
    assert (to_all.exit_code, json.loads(to_all.stdout)) == (0, {"sent": 2, "gone": 0, "failed": 0})
    assert (to_bob.exit_code, json.loads(to_bob.stdout)) == (0, {"sent": 0, "gone": 1, "failed": 0})
    assert sorted(node.posted) == sorted([(ann, b'{"text":"hi"}'), (bob, b'{"text":"hi"}'), (bob, b"1")])


async def test_a_message_from_a_file(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "message.json"
    file.write_text('{"from": "file"}')
    async with ManagementNode().serving(store) as node:
        name = await node.connect(store)
        assert (await broadcast("--tenant", "acme", f"@{file}")).exit_code == 0
    assert node.posted == [(name, b'{"from":"file"}')]


@pytest.mark.parametrize("status", [413, 429])
async def test_a_message_that_somebody_did_not_get_is_exit_code_1(store: Store, status: int) -> None:
    async with ManagementNode().serving(store) as node:
        names = [await node.connect(store) for _ in range(2)]
        node.answers = dict.fromkeys(names, status)
        result = await broadcast("--tenant", "acme", "1")
    assert (result.exit_code, json.loads(result.stdout)) == (1, {"sent": 0, "gone": 0, "failed": 2})
    assert result.stderr == f"The first failure: {node.endpoint}: {status}.\n"


async def test_nodes_that_do_not_answer_are_exit_code_3(store: Store) -> None:
    async with ManagementNode().serving(store) as node:
        await node.connect(store)
    result = await broadcast("--tenant", "acme", "1")
    assert (result.exit_code, json.loads(result.stdout)) == (3, {"sent": 0, "gone": 0, "failed": 1})
    assert result.stderr.startswith("The first failure: ")


@pytest.mark.usefixtures("store")
async def test_nobody_to_tell() -> None:
    result = await broadcast("--tenant", "nobody", "1")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"sent": 0, "gone": 0, "failed": 0})


@pytest.mark.usefixtures("store")
async def test_a_store_that_is_not_there_is_a_sentence_and_exit_code_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMER_STORE", f"sqlite:///{tmp_path}/never.db")
    result = await broadcast("--tenant", "acme", "1")
    assert (result.exit_code, len(result.stderr.splitlines())) == (3, 1)


@pytest.mark.parametrize("arguments", [["--tenant", "acme", "{"], ["1"], ["--tenant", "acme", "--rate", "0", "1"]])
def test_a_command_that_is_not_understood_is_exit_code_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(program, ["broadcast", *arguments]).exit_code == 2


def test_without_a_cluster_key_it_says_which_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMER_CLUSTER_KEY_ID", raising=False)
    result = CliRunner().invoke(program, ["broadcast", "--tenant", "acme", "1"])
    assert (result.exit_code, result.stderr.startswith("Set STREAMER_CLUSTER_KEY_ID")) == (2, True)


def test_ctrl_c_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(coroutine: Any) -> None:
        coroutine.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio, "run", interrupted)
    result = CliRunner().invoke(program, ["broadcast", "--tenant", "acme", "1"])
    assert (result.exit_code, result.stderr) == (INTERRUPTED, "Stopped; who was told is told.\n")
