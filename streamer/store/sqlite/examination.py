"""Why a store file cannot be used, in plain words."""

import os
from pathlib import Path

from streamer.errors import ConfigurationError, StoreUnavailable
from streamer.store.base import OpenStore
from streamer.store.finding import Examination, Finding, Verdict, ok, wrong

ELSEWHERE = "Set STREAMER_STORE to sqlite:///PATH in a folder that this account may write to."


async def examine(path: Path, opened: OpenStore) -> Examination:
    """Looks at the folder and, where there is a file, into it; makes nothing. `opened`: of this absolute path."""
    place = _place(path)
    if place is not None:
        return Examination([place])
    found = await _file(path, opened)
    return Examination([found], can_be_read=found.verdict is Verdict.OK)


def _place(path: Path) -> Finding | None:
    """None where there is a file to look into."""
    fault = _folder_fault(path)
    if fault is not None:
        return wrong("store", fault, ELSEWHERE)
    return None if path.exists() else ok("store", f"{path} is not there yet: the first process makes it.")


def _folder_fault(path: Path) -> str | None:
    there = next(folder for folder in path.parents if folder.exists())
    if not there.is_dir():
        return f"{there} is no folder, so {path} cannot be made."
    if not os.access(there, os.W_OK | os.X_OK):
        return f"The folder {there} may not be written to."
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return f"The file {path} may not be read and written."
    return None


async def _file(path: Path, opened: OpenStore) -> Finding:
    async with opened as store:
        try:
            await store.check()
        except (StoreUnavailable, ConfigurationError) as error:
            return wrong("store", str(error), "Run `streamer tables create`, or name another file in STREAMER_STORE.")
    return ok("store", f"{path} has all tables.")
