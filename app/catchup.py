"""From rows as they were just read to the live frames of their jobs."""

import asyncio
from collections.abc import Sequence
from typing import Final

from app.connection import Connection
from app.filling import Fillings
from app.owners import Owners, Told
from app.reread import Rereads
from app.tracker import Tracker
from streamer.errors import StoreUnavailable
from streamer.jobs.model import Job, Status
from streamer.store.base import RequestQueue

WIDTH: Final = 16
"""Outcomes that are read and sent to one connection at a time: each may have a result of 1 MiB."""

SILENT: Final = Told(None)
"""Of a job whose owner says nothing."""

Behind = tuple[Tracker, Job]
"""What a connection has of a job, and the newest row of it that was read since the tracker is there."""


class CatchUps:
    """Brings connections up to date: asks the owners of running jobs to store what they have, and has the rest read."""

    def __init__(self, *, requests: RequestQueue, owners: Owners, fillings: Fillings, rereads: Rereads) -> None:
        self._requests = requests
        self._owners = owners
        self._fillings = fillings
        self._rereads = rereads

    async def catch_up(self, connection: Connection, jobs: Sequence[Behind]) -> None:
        """Returns when all that runs is on its way, and the outcomes of all else were sent; never raises."""
        running = [row for _, row in jobs if row.status is Status.PROCESSING]
        told = await self._flushed(connection, running) if running else {}
        newer = await self._silent([row for row in running if told.get(row.job_id, SILENT).chunks is None])
        sending: set[asyncio.Task[None]] = set()
        for tracker, read in jobs:
            said = told.get(read.job_id, SILENT)
            row = said.onto(newer.get(read.job_id, read))
            await connection.outbox.ready()  # a thousand requests may have as many frames to be told
            filling = self._fillings.start(connection, tracker, row, emitted=said.chunks)
            if not row.finished:
                self._rereads.watch(connection, tracker)
            elif filling is not None:
                sending.add(filling)
                sending = await _some_left(sending)
        if sending:
            await asyncio.wait(sending)

    async def _flushed(self, connection: Connection, running: Sequence[Job]) -> dict[str, Told]:
        named = [row for row in running if connection.connection_id in row.routes]
        beside = [row for row in running if connection.connection_id not in row.routes]
        answers = await asyncio.gather(
            self._owners.flush(named, connection.connection_id),
            self._owners.flush(beside, connection.connection_id, watched=True),
        )
        return {**answers[0], **answers[1]}

    async def _silent(self, rows: Sequence[Job]) -> dict[str, Job]:
        """Those whose owner did not say that it runs them: they may have ended since the row was read, and their
        outcome may have been sent to where this connection was before."""
        if not rows:
            return {}
        try:
            return dict(await self._requests.get_many({row.job_id for row in rows}))
        except StoreUnavailable:
            return {}  # the log says so, and the filling reads what it can


async def _some_left(tasks: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Those that still run, as soon as these are few enough."""
    if len(tasks) < WIDTH:
        return tasks
    _, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return left
