"""The console brings the TypeScript client as it is built here, so that nobody needs npm to run it."""

from collections.abc import Mapping
from pathlib import Path

from tests.support import typescript

COMMITTED = typescript.ROOT / "app" / "console" / "client"


async def test_the_committed_client_is_the_built_one(tmp_path: Path) -> None:
    typescript.require_packages()
    told = await typescript.build(tmp_path)
    assert not told
    assert contents(COMMITTED, "*") == contents(tmp_path, "*.js"), "renew it: make client"


def contents(folder: Path, pattern: str) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob(pattern)}
