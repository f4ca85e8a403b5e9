import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from streamer.cli.supervisor import Ended, Role, Supervisor, lines
from tests.support.until import until

Said = list[tuple[str, bytes]]
WAITS = "import signal; print('ready'); signal.pause()"
ENDS_WELL = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit('bye'))
print('ready')
signal.pause()
"""
IGNORES = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready');\nwhile True: signal.pause()"


def python(name: str, code: str) -> Role:
    return Role(name, [sys.executable, "-u", "-c", code])


def supervisor(said: Said, *roles: Role, kill_after_s: float = 20.0) -> Supervisor:
    return Supervisor(
        roles, on_line=lambda name, line: said.append((name, line)), environ=os.environ, kill_after_s=kill_after_s
    )


async def test_stop_ends_every_child_and_is_no_failure() -> None:
    said: Said = []
    both = supervisor(said, python("a", ENDS_WELL), python("b", WAITS))
    running = asyncio.create_task(both.run())
    await until(lambda: len(said) == 2)
    both.stop()
    assert await running is None
    assert sorted(said) == [("a", b"bye"), ("a", b"ready"), ("b", b"ready")]


async def test_stopped_before_it_ran_it_ends_at_once() -> None:
    one = supervisor([], python("a", WAITS))
    one.stop()
    assert await one.run() is None


async def test_a_child_that_ends_takes_the_others_with_it() -> None:
    said: Said = []
    both = supervisor(said, python("a", WAITS), python("b", "import sys; print('port taken'); sys.exit(3)"))
    assert await both.run() == Ended("b", 3)
    assert ("b", b"port taken") in said


async def test_a_child_that_does_not_listen_is_killed() -> None:
    said: Said = []
    stubborn = supervisor(said, python("a", IGNORES), kill_after_s=0.1)
    running = asyncio.create_task(stubborn.run())
    await until(lambda: said)
    stubborn.stop()
    assert await running is None


async def test_one_child_is_replaced_and_the_other_stays() -> None:
    said: Said = []
    tells = "import os, signal; print(os.getpid()); signal.pause()"
    both = supervisor(said, python("a", tells), python("b", tells))
    running = asyncio.create_task(both.run())
    await until(lambda: len(said) == 2)
    await both.replace("a")
    await until(lambda: len(said) == 3)
    both.stop()
    await both.replace("a")  # too late: all of them stop
    assert await running is None
    assert [name for name, _ in said].count("a") == 2
    assert len(set(said)) == 3


async def test_where_ends_are_told_the_others_go_on_and_it_can_come_back(tmp_path: Path) -> None:
    said: Said = []
    ends: list[Ended] = []
    once = f"import pathlib, sys; p = pathlib.Path({str(tmp_path / 'was')!r}); p.exists() or p.touch() or sys.exit(3); "
    both = Supervisor(
        [python("a", once + WAITS), python("b", WAITS)],
        on_line=lambda name, line: said.append((name, line)),
        environ=os.environ,
        kill_after_s=20,
        on_end=ends.append,
    )
    running = asyncio.create_task(both.run())
    await until(lambda: ends and said)
    assert (ends, said) == ([Ended("a", 3)], [("b", b"ready")])
    await both.replace("a")
    await until(lambda: len(said) == 2)
    both.stop()
    assert await running is None
    assert len(ends) == 1


async def test_ctrl_c_in_the_terminal_does_not_reach_the_children() -> None:
    said: Said = []
    one = supervisor(said, python("a", "import os; print(os.getpgid(0) == os.getpid())"))
    assert await one.run() == Ended("a", 0)
    assert said == [("a", b"True")]


async def test_a_grandchild_that_holds_the_output_does_not_hold_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.cli.supervisor.LAST_WORDS_S", 0.1)
    said: Said = []
    code = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {WAITS!r}]).pid)"
    assert await supervisor(said, python("a", code)).run() == Ended("a", 0)
    os.kill(int(said[0][1]), signal.SIGKILL)


async def test_what_cannot_be_started_stops_the_rest() -> None:
    with pytest.raises(FileNotFoundError):
        await supervisor([], python("a", WAITS), Role("b", ["/does/not/exist"])).run()


async def test_nothing_can_be_started() -> None:
    with pytest.raises(FileNotFoundError):
        await supervisor([], Role("b", ["/does/not/exist"])).run()


async def test_a_viewer_that_fails_is_not_silent() -> None:
    def fail(_name: str, _line: bytes) -> None:
        raise BrokenPipeError

    broken = Supervisor([python("a", WAITS)], on_line=fail, environ=os.environ, kill_after_s=20)
    with pytest.raises(BrokenPipeError):
        await broken.run()


async def test_lines_may_be_of_any_length_and_the_last_one_open() -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(b"a\n\n" + b"x" * 200_000 + b"\nopen")
    stream.feed_eof()
    assert [len(line) async for line in lines(stream)] == [1, 0, 200_000, 4]
