"""The short way of `streamer healthcheck`."""

import subprocess
import sys

import pytest

from streamer import cli
from streamer.cli import health, program

URL = "http://127.0.0.1:1/readyz"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    urls: list[str] = []

    def ask(url: str) -> str | None:
        urls.append(url)
        return None if "livez" in url else "No."

    monkeypatch.setattr(health, "ask", ask)
    return urls


@pytest.mark.parametrize(("url", "code", "said"), [(URL, 1, "No.\n"), ("http://h/livez", 0, "")])
def test_the_exit_code_says_how_it_is(
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    url: str,
    code: int,
    said: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["streamer", "healthcheck", url])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code, capsys.readouterr().err, asked) == (code, said, [url])


@pytest.mark.parametrize("arguments", [["--version"], ["healthcheck", "--help"], ["healthcheck"]])
def test_all_else_goes_the_long_way(asked: list[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    called: list[None] = []
    monkeypatch.setattr(program, "program", lambda: called.append(None))
    monkeypatch.setattr(sys, "argv", ["streamer", *arguments])
    cli.main()
    assert (called, asked) == ([None], [])


def test_a_health_check_imports_nothing_that_takes_long() -> None:
    """It is made every few seconds, in every container."""
    script = (
        "import sys\n"
        f"sys.argv[1:] = ['healthcheck', '{URL}']\n"
        "from streamer.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(*{'typer', 'pydantic', 'asyncio', 'orjson', 'aiohttp'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
