"""`streamer doctor`: what is wrong with this machine's settings, and what to do about it."""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer

from streamer.cli import environment
from streamer.cli.checks import actions, auth, cluster, ports, revoked, settings
from streamer.cli.dev import FOLDER
from streamer.cli.operator import hushed
from streamer.cli.sentences import FAILED
from streamer.cli.table import printable
from streamer.errors import ConfigurationError
from streamer.settings import Settings
from streamer.store.finding import Examination, Finding, Verdict, wrong
from streamer.store.open import examine

COLOURS: Final = {
    Verdict.OK: typer.colors.GREEN,
    Verdict.WRONG: typer.colors.RED,
    Verdict.UNKNOWN: typer.colors.YELLOW,
}
NOBODYS_KEY: Final = ("dev", "made at the first start")


def doctor(
    token: Annotated[
        str | None, typer.Option(envvar="STREAMER_TOKEN", help="A JWT: why would it be refused?", show_envvar=True)
    ] = None,
    dev: Annotated[bool, typer.Option("--dev", help="Look at what `streamer dev` would have here.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as one JSON object.")] = False,
) -> None:
    """Look at settings, auth, cluster key, store, clock, ports and actions; name what is wrong and what to do.

    Changes nothing. Exits with 0, or with 1 if something is wrong.
    """
    if dev:
        os.environ.update(environment.additions(os.environ, _dev_key(FOLDER / "cluster.json")))
    with hushed():
        found = asyncio.run(examined(token))
    typer.echo(_as_json(found) if json else "\n".join(line for finding in found for line in _lines(finding)))
    if _is_wrong(found):
        raise typer.Exit(FAILED)


async def examined(token: str | None) -> Sequence[Finding]:
    """All checks, in the order in which one depends on the other."""
    given, found = settings.read(os.environ)
    if given is None:
        return found
    of_auth, principal = await auth.examine(given, token)
    key_faults = cluster.examine(given)
    store = await _store(given)
    found += [*of_auth, *key_faults, *store.findings]
    if principal is not None and store.can_be_read:
        found += await revoked.examine(given, principal)
    if not key_faults and store.can_be_read:
        found += await cluster.compare(given, store.offset_s)
    return [*found, *ports.examine(given), *actions.examine(given)]


async def _store(given: Settings) -> Examination:
    try:
        return await examine(
            given.store,
            table_prefix=given.table_prefix,
            needs_stream="stream" in given.wakeups,
            clock=lambda: int(time.time() * 1000),
        )
    except ConfigurationError as error:
        return Examination([wrong("store", str(error), "Correct STREAMER_STORE.")])


def _dev_key(path: Path) -> tuple[str, str]:
    return environment.cluster_key(path) if path.exists() else NOBODYS_KEY


def _is_wrong(found: Sequence[Finding]) -> bool:
    return any(finding.verdict is Verdict.WRONG for finding in found)


def _as_json(found: Sequence[Finding]) -> bytes:
    return orjson.dumps({"ok": not _is_wrong(found), "findings": [asdict(finding) for finding in found]})


def _lines(finding: Finding) -> Sequence[str]:
    """The finding, and under it what to do."""
    verdict = typer.style(f"{finding.verdict:<9}", fg=COLOURS[finding.verdict])
    first = f"{verdict}{finding.check:<13}{printable(finding.what)}"
    return [first, f"{'':22}{printable(finding.remedy)}"] if finding.remedy else [first]
