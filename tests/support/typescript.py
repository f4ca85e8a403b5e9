"""The TypeScript client of this checkout, and the compiler that is installed beside it."""

import asyncio
import shutil
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
CLIENT: Final = ROOT / "clients" / "typescript"
STRICT: Final = (
    "--strict",
    "--noUncheckedIndexedAccess",
    "--exactOptionalPropertyTypes",
    "--noEmit",
    "--target", "es2022",
    "--module", "nodenext",
    "--skipLibCheck",
)  # fmt: skip
COMPILE_S: Final = 60.0
COMPILER: Final = str(CLIENT / "node_modules" / ".bin" / "tsc")


def require_packages() -> None:
    """Skips the test where there is no npm; fails it where what npm installs is missing or older than the lock."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    lock, installed = CLIENT / "package-lock.json", CLIENT / "node_modules" / ".package-lock.json"
    is_there = installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime
    assert is_there, "install the packages of clients/typescript: make client"


def require_build() -> None:
    """Like `require_packages`; fails the test also where the client's build is missing or older than its source."""
    require_packages()
    built = CLIENT / "dist" / "index.js"
    newest = max(path.stat().st_mtime for path in (CLIENT / "src").glob("*.ts"))
    assert built.exists(), "build the TypeScript client: make client"
    assert built.stat().st_mtime >= newest, "build the TypeScript client anew: make client"


async def build(folder: Path) -> str:
    """Compiles the client into that folder; what the compiler says of it, nothing where all is right."""
    return await run(COMPILER, "--outDir", str(folder), cwd=CLIENT)


async def compile_strictly(*files: Path) -> str:
    """What the compiler says of them; nothing where they are right."""
    return await run(COMPILER, *STRICT, *map(str, files), cwd=files[0].parent)


async def run(*command: str, cwd: Path) -> str:
    """All that a program says until it ends."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        told, _ = await asyncio.wait_for(process.communicate(), COMPILE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return told.decode()
