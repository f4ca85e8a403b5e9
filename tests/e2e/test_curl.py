"""The page about HTTP, as a reader would try it: its commands, in its order, print what it says."""

import asyncio
import os
import re
from pathlib import Path

from tests.support import curl_story
from tests.support.system import System
from tests.support.wire import token

COMMAND_S = 30.0


async def printed(command: str, env: dict[str, str]) -> str:
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", command, env={**os.environ, **env}, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(COMMAND_S):
            output, _ = await shell.communicate()
    except BaseException:
        shell.kill()
        raise
    return output.decode()


async def test_curl_is_all_that_it_takes(streamer: System, tmp_path: Path) -> None:
    env = {
        "STREAMER": await (await streamer.node()).url(),
        "AUTH": f"Authorization: Bearer {token()}",
        "LAST": "",
    }
    await streamer.worker()
    told = []
    for step in curl_story.steps():
        output = await printed(step.command, env)
        told.append(f"$ {step.command}\n{curl_story.shortened(output)}")
        (tmp_path / "told.txt").write_text("\n".join(told))
        if ids := re.findall(r"(?m)^id: (.+)$", output):
            env["LAST"] = ids[-1]
        assert curl_story.without_chance(output) == curl_story.without_chance(step.output), step.command
    await streamer.check()
