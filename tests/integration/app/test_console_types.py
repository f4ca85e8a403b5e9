"""The scripts of the console, held against their JSDoc by the TypeScript compiler."""

from typing import Final

from app.page import FOLDER
from tests.support import typescript

FLAGS: Final = (
    "--allowJs",  # those that say `@ts-check` are checked; the built client does not
    "--noEmit",
    "--strict",
    "--target", "es2022",
    "--lib", "es2023,dom,dom.iterable",
    "--module", "es2022",
    "--moduleResolution", "bundler",
)  # fmt: skip


async def test_the_types_that_the_scripts_say_are_the_types_that_they_have() -> None:
    typescript.require_packages()
    assert await typescript.run(typescript.COMPILER, *FLAGS, "main.js", cwd=FOLDER) == ""
    scripts = [path for path in FOLDER.rglob("*.js") if "client" not in path.parts]
    assert [path for path in scripts if not path.read_text().startswith("// @ts-check\n")] == []
