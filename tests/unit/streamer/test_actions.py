"""What modules declare, and the registries made of it. Modules here are real files, imported by name."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest

import streamer
from streamer.actions import Registry, declared, load_registry
from streamer.context import Context
from streamer.errors import ConfigurationError, InternalError, InvalidAction, InvalidPayload
from streamer.protocol.messages import Mode

DEMO = {"echo", "echo_async", "generate_report", "process_data"}
Write = Callable[..., str]

_numbers = itertools.count()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes files of a package whose name was never used before, found in the working directory; gives its name."""
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.chdir(tmp_path)
    package = f"acme{next(_numbers)}"

    def files(**sources: str) -> str:
        folder = tmp_path / package
        folder.mkdir(exist_ok=True)
        for name, source in {"__init__": "", **sources}.items():
            text = dedent(source).replace("PACKAGE", package)
            (folder / f"{name}.py").write_text(f"import streamer\nfrom streamer import Context\n{text}")
        return package

    yield files
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]


def load(*modules: str) -> Registry:
    return load_registry(modules, threads=1)


def context() -> Context:
    return Context("r", "u", "t", "a")


ONE = """
    @streamer.action("one", retries=5, permission="p")
    async def one(ctx: Context, request: int) -> int:
        return request + 1
"""


def test_the_demo_is_there_by_default() -> None:
    assert set(load().names()) == DEMO


async def test_a_module_is_found_in_the_working_directory_behind_everything_else(write: Write) -> None:
    module = write(actions=ONE) + ".actions"
    registry = load(module)
    assert sys.path[-1] == str(Path.cwd())
    one = registry.get("one")
    assert (one.retries, one.permission, one.module) == (5, "p", module)
    assert await registry.invoke(one, context(), one.validate(1)) == 2


def test_a_module_gives_the_same_to_every_registry(write: Write) -> None:
    package = write(actions=ONE, more='@streamer.action("more")\ndef more(): ...')
    for _ in range(2):
        assert set(load(f"{package}.actions").names()) == DEMO | {"one"}
    assert set(load().names()) == DEMO
    both = load(f"{package}.actions", f"{package}.more", f"{package}.actions")
    assert set(both.names()) == DEMO | {"one", "more"}


def test_what_a_module_imports_belongs_to_it(write: Write) -> None:
    package = write(actions="import PACKAGE.parts", parts=ONE)
    for _ in range(2):
        assert set(load(f"{package}.actions").names()) == DEMO | {"one"}


def test_a_package_stands_for_what_is_in_it_even_if_that_was_imported_before(write: Write) -> None:
    package = write(__init__="from PACKAGE import parts", parts=ONE)
    sys.path.append(str(Path.cwd()))
    __import__(f"{package}.parts")
    assert set(load(package).names()) == DEMO | {"one"}


def test_a_module_that_is_imported_anew_declares_anew(write: Write) -> None:
    package = write(actions=ONE)
    load(f"{package}.actions")
    del sys.modules[f"{package}.actions"]
    assert set(load(f"{package}.actions").names()) == DEMO | {"one"}


def test_a_name_is_declared_once(write: Write) -> None:
    package = write(actions=ONE, more=ONE)
    with pytest.raises(ConfigurationError, match=rf"one is declared twice, in {package}\.actions and in .*more"):
        load(f"{package}.actions", f"{package}.more")
    with pytest.raises(ConfigurationError, match=r"echo is declared twice, in streamer\.demo"):
        load(write(mine='@streamer.action("echo")\ndef echo(): ...') + ".mine")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def", "SyntaxError"),
        ('@streamer.action("a b")\ndef one(): ...', "ValueError: an action's name"),
        ("@streamer.middleware\ndef one(): ...", "a middleware must be async def"),
        ("@streamer.lifespan\nasync def one(): ...", "a lifespan must be async def and yield once"),
        ('streamer.register("one", object())', r"the handler of one has no method process\(ctx, request\)"),
    ],
)
def test_a_module_that_cannot_be_imported(write: Write, source: str, sentence: str) -> None:
    package = write(actions=source)
    with pytest.raises(ConfigurationError, match=rf"The module {package}\.actions cannot be imported: .*{sentence}"):
        load(f"{package}.actions")


def test_a_module_that_is_not_there(write: Write) -> None:
    package = write()
    for module in (f"{package}.missing", f"{package}x"):
        with pytest.raises(ConfigurationError, match=f"The module {module} cannot be imported"):
            load(module)


def test_a_failed_import_can_be_repeated(write: Write) -> None:
    package = write(actions=ONE + "\n    1 / 0")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="division by zero"):
            load(f"{package}.actions")
    write(actions=dedent(ONE))
    assert "one" in load(f"{package}.actions")


async def test_middleware_and_lifespan_are_declared_too(write: Write) -> None:
    source = """
        @streamer.lifespan
        async def resources():
            yield "pool"

        @streamer.middleware
        async def outer(ctx, request, call_next):
            return [await call_next(ctx, request)]

        @streamer.middleware
        async def inner(ctx, request, call_next):
            return (await call_next(ctx, request)) * 10
    """
    package = write(parts=source, actions=ONE)
    registry = load(f"{package}.parts", f"{package}.actions")
    async with registry.running():
        assert registry.state == "pool"
        assert await registry.invoke(registry.get("one"), context(), 1) == [20]
    assert load(f"{package}.actions").state is None


def test_there_is_one_lifespan(write: Write) -> None:
    source = "@streamer.lifespan\nasync def resources():\n    yield"
    package = write(actions=source, more=source)
    with pytest.raises(ConfigurationError, match="One lifespan is possible, and 2 are declared in"):
        load(f"{package}.actions", f"{package}.more")


# --- handlers that are objects


CLASSES = """
    from datetime import timedelta
    from pydantic import BaseModel

    class Request(BaseModel):
        n: int

    class Plain:
        def validate(self, request):
            if request.n < 0:
                raise ValueError("n is negative")

        def estimated_duration(self):
            return timedelta(seconds=30)

        def process(self, ctx: Context, request: Request) -> int:
            return request.n

    class Coroutines:
        async def validate(self, request):
            return request.n >= 0

        async def estimated_duration(self):
            return 30

        async def process(self, ctx: Context, request: Request) -> int:
            return request.n

    class Waits(Coroutines):
        async def validate(self, request):
            import asyncio
            await asyncio.sleep(0)

    class Only:
        async def process(self, ctx, request):
            return request

    streamer.register("plain", Plain())
    streamer.register("coroutines", Coroutines(), queue="other")
    streamer.register("quick", Plain(), estimate=1)
    streamer.register("waits", Waits())
    streamer.register("only", Only())
"""


@pytest.mark.parametrize("name", ["plain", "coroutines"])
async def test_an_object_is_a_handler(write: Write, name: str) -> None:
    registry = load(write(actions=CLASSES) + ".actions")
    action = registry.get(name)
    request = action.validate({"n": 7})
    assert action.is_queued(request, Mode.AUTO, 5.0)
    assert await registry.invoke(action, context(), request) == 7
    with pytest.raises(InvalidPayload):
        action.validate({"n": "x"})
    with pytest.raises(InvalidPayload):
        action.validate({"n": -1})
    registry.close()


def test_options_of_an_object(write: Write) -> None:
    registry = load(write(actions=CLASSES) + ".actions")
    assert registry.get("coroutines").queue == "other"
    assert not registry.get("quick").is_queued(None, Mode.AUTO, 5.0)
    assert registry.get("only").validate("anything") == "anything"
    assert not registry.get("only").is_queued("anything", Mode.AUTO, 5.0)


def test_a_check_that_waits_is_our_fault(write: Write) -> None:
    action = load(write(actions=CLASSES) + ".actions").get("waits")
    with pytest.raises(InternalError) as broken:
        action.validate({"n": 1})
    assert "only process may" in str(broken.value.__cause__)


# --- schedules

CLEAN = """
    @streamer.action("clean")
    async def clean(ctx: Context, request: dict[str, int]) -> None: ...
"""


def test_schedules_are_declared_as_a_statement_and_as_a_decorator(write: Write) -> None:
    source = """
    streamer.every("0 3 * * *", action="clean", payload={"n": 1})

    @streamer.every("*/5 * * * *", action="clean", name="often", timezone="Europe/Berlin", missed="skip")
    def often(tick):
        return {"n": tick.hour}
    """
    package = write(actions=CLEAN, times=source)
    nightly, often = load(f"{package}.actions", f"{package}.times").schedules
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert (nightly.name, nightly.module, nightly.payload_at(noon)) == ("clean", f"{package}.times", {"n": 1})
    assert (often.name, often.zone.key, often.missed) == ("often", "Europe/Berlin", "skip")
    assert often.payload_at(noon) == {"n": 13}
    assert load().schedules == []


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ('streamer.every("0 3 * * *", action="missing")', "starts missing, which no module declares"),
        ('streamer.every("0 3 * * *", action="clean", payload={"n": "x"})', "clean refuses: .*n"),
        ('streamer.every("0 3 * * *", action="clean", payload={})\n' * 2, "schedule clean is declared twice"),
        ('streamer.every("0 3 * *", action="clean")', "cron text has 5 fields"),
        ('streamer.every("0 3 * * *", action="clean", timezone="Nowhere")', "no time zone 'Nowhere'"),
    ],
)
def test_schedules_that_cannot_work(write: Write, source: str, sentence: str) -> None:
    package = write(actions=CLEAN, times=source)
    with pytest.raises(ConfigurationError, match=sentence):
        load(f"{package}.actions", f"{package}.times")


def test_a_check_that_refuses_without_details_is_told_too(write: Write) -> None:
    package = write(actions=CLASSES + '\n    streamer.every("0 3 * * *", action="waits", payload={"n": 1})')
    with pytest.raises(ConfigurationError, match="waits refuses"):
        load(f"{package}.actions")


# --- the public face


def test_a_declared_function_stays_what_it_is() -> None:
    async def function() -> None: ...

    assert streamer.action("stays.what.it.is")(function) is function


def test_the_public_face() -> None:
    assert set(streamer.__all__) == {
        "ActionError",
        "Context",
        "Retry",
        "Submitted",
        "action",
        "every",
        "lifespan",
        "middleware",
        "register",
        "submit",
        "submitting",
    }
    assert all(hasattr(streamer, name) for name in streamer.__all__)
    assert not hasattr(streamer, "anything_else")


def test_an_import_brings_neither_http_nor_an_sdk() -> None:
    """Another process imports: this one has them already."""
    heavy = "{'aiohttp', 'aioboto3', 'botocore', 'starlette', 'uvicorn', 'sqlite3', 'streamer.backend'}"
    program = f"import streamer, sys; sys.exit(' '.join({heavy} & set(sys.modules)) or None)"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environ)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_declared_action_is_found_by_its_name_and_by_its_function(write: Write) -> None:
    package = write(actions=ONE.replace("one", "sole"))
    load(f"{package}.actions")
    found = declared("sole")
    assert found.module == f"{package}.actions"
    assert found is declared(sys.modules[found.module].sole)
    with pytest.raises(InvalidAction, match="declares 'nonsense'"):
        declared("nonsense")


def test_a_name_that_two_modules_declare_is_ambiguous(write: Write) -> None:
    package = write(actions=ONE.replace("one", "both"), more=ONE.replace("one", "both"))
    load(f"{package}.actions")
    load(f"{package}.more")
    with pytest.raises(ConfigurationError, match=rf"both is declared in {package}\.actions and in {package}\.more"):
        declared("both")
