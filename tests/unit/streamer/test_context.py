"""Context: what a handler tells about how far it is, and what it has made."""

import asyncio
from collections.abc import Awaitable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from streamer.context import DONE, Context, Reporter, SubmitOptions, Submitted, Submitter
from streamer.jobs import ids
from streamer.jobs.model import Progress
from tests.support.until import until


class Heard(Reporter):
    def __init__(self) -> None:
        self.all: list[Progress] = []
        self.emitted: list[bytes] = []
        self.checkpoints: list[bytes] = []

    def progress(self, progress: Progress) -> None:
        self.all.append(progress)

    def emit(self, data: bytes) -> Awaitable[None]:
        self.emitted.append(data)
        return DONE

    def save_checkpoint(self, state: bytes) -> Awaitable[None]:
        self.checkpoints.append(state)
        return DONE


class Row(BaseModel):
    name: str


@dataclass
class Point:
    x: int


def context(heard: Heard | None = None) -> Context:
    return Context("r1", "u", "t", "report", reporter=heard)


def test_what_a_handler_sees() -> None:
    ctx = Context("r1", "u", "t", "report", attempt=2, metadata={"a": 1}, deadline=9.5, state="pool")
    seen = (ctx.request_id, ctx.user, ctx.tenant, ctx.action, ctx.attempt, ctx.metadata, ctx.deadline, ctx.state)
    assert seen == ("r1", "u", "t", "report", 2, {"a": 1}, 9.5, "pool")
    assert not ctx.cancelled
    assert ctx.checkpoint is None
    assert Context("r1", "u", "t", "report", checkpoint={"page": 7}).checkpoint == {"page": 7}


async def test_progress_is_recorded_at_once_awaited_or_not() -> None:
    heard = Heard()
    ctx = context(heard)
    not_awaited = ctx.progress(10, "Reading", rows=3)
    assert heard.all == [Progress(10.0, "Reading", {"rows": 3})]
    await not_awaited
    await ctx.progress(20)
    assert heard.all[1:] == [Progress(20.0)]


async def test_progress_from_a_thread() -> None:
    heard = Heard()
    ctx = context(heard)
    await asyncio.to_thread(ctx.progress, 10)
    assert heard.all == [Progress(10.0)]


def test_percentages_stay_in_range_and_never_fall() -> None:
    heard = Heard()
    ctx = context(heard)
    for value in (-5, 30, 20, True, 31.5, float("inf"), 50):
        ctx.progress(value)
    assert [progress.percentage for progress in heard.all] == [0.0, 30.0, 30.0, 30.0, 31.5, 100.0, 100.0]


def test_nothing_is_reported_inline_yet_everything_is_checked() -> None:
    ctx = context()
    ctx.progress(10, "Reading")
    with pytest.raises(ValueError, match="NaN"):
        ctx.progress(float("nan"))


@pytest.mark.parametrize("metadata", [{"a": "x" * 4_096}, {"a": object()}, {"a": 1 << 80}])
def test_metadata_that_is_refused(metadata: dict[str, object]) -> None:
    heard = Heard()
    with pytest.raises(ValueError, match="metadata"):
        context(heard).progress(1, "", **metadata)
    assert heard.all == []


def test_metadata_is_a_snapshot() -> None:
    heard = Heard()
    rows = [1]
    context(heard).progress(1, "", rows=rows)
    rows.append(2)
    assert heard.all[0].metadata == {"rows": [1]}


def test_messages_are_cut_and_must_be_text() -> None:
    heard = Heard()
    ctx = context(heard)
    ctx.progress(1, "x" * 2_000)
    assert len(heard.all[0].message) == 1_000
    with pytest.raises(ValueError, match="surrogates"):
        ctx.progress(1, "\ud800")


async def test_output_is_recorded_in_order_awaited_or_not() -> None:
    heard = Heard()
    ctx = context(heard)
    rows = [1]
    not_awaited = ctx.emit(rows)
    rows.append(2)
    await ctx.emit(rows)
    await asyncio.to_thread(ctx.emit, "from a thread")
    assert heard.emitted == [b"[1]", b"[1,2]", b'"from a thread"']
    await not_awaited


@pytest.mark.parametrize(
    ("data", "encoded"),
    [(None, b"null"), (Row(name="a"), b'{"name":"a"}'), ([Point(1)], b'[{"x":1}]'), ("x" * 262_142, None)],
)
def test_output_is_whatever_has_json(data: Any, encoded: bytes | None) -> None:
    heard = Heard()
    context(heard).emit(data)
    assert encoded is None or heard.emitted == [encoded]


@pytest.mark.parametrize("data", ["x" * 262_143, object(), {"a": 1 << 80}, "\ud800"])
def test_output_that_is_refused(data: object) -> None:
    heard = Heard()
    with pytest.raises(ValueError, match="output"):
        context(heard).emit(data)
    assert heard.emitted == []


async def test_a_checkpoint_is_saved_as_json() -> None:
    heard = Heard()
    await context(heard).save_checkpoint({"page": 7})
    assert heard.checkpoints == [b'{"page":7}']


@pytest.mark.parametrize("state", ["x" * (1 << 20), object()])
def test_a_checkpoint_that_is_refused(state: object) -> None:
    with pytest.raises(ValueError, match="a checkpoint"):
        context(Heard()).save_checkpoint(state)


def test_output_and_checkpoints_without_a_reporter_are_only_checked() -> None:
    ctx = context()
    ctx.emit(1)
    ctx.save_checkpoint(1)
    with pytest.raises(ValueError, match="JSON"):
        ctx.emit(object())


def test_a_run_that_was_stopped_makes_nothing_more() -> None:
    heard = Heard()
    ctx = context(heard)
    ctx.cancelled = True
    with pytest.raises(asyncio.CancelledError):
        ctx.emit(1)
    with pytest.raises(asyncio.CancelledError):
        ctx.save_checkpoint(1)
    assert (heard.emitted, heard.checkpoints) == ([], [])


def test_log_lines_say_which_run_they_are_about() -> None:
    with capture_logs() as lines:
        Context("r1", "u", "t", "report", connection_id="c1").log.info("page_read", page=7)
        ctx = Context("r1", "u", "t", "report", attempt=2, job_id="j1")
        ctx.log.info("one")
        ctx.log.info("two")
    common = {"request_id": "r1", "action": "report", "log_level": "info"}
    assert lines[0] == {**common, "attempt": 1, "connection_id": "c1", "event": "page_read", "page": 7}
    assert lines[1] == {**common, "attempt": 2, "job_id": "j1", "event": "one"}
    assert ctx.log is ctx.log


class Stored(Submitter):
    """Takes note of what is submitted; from a thread, it is stored when `crossing` is done."""

    def __init__(self, crossing: "Future[None] | None" = None) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.stored: list[str] = []
        self.crossing = crossing

    def submit(
        self, tenant: str, user: str, client_id: str, action: str, payload: Any, options: SubmitOptions
    ) -> Awaitable[None] | Future[None]:
        self.asked.append((tenant, user, client_id, action, payload, options))
        return self.crossing or self._store(client_id)

    async def _store(self, client_id: str) -> None:
        self.stored.append(client_id)


def parent(stored: Stored | None, **fields: Any) -> Context:
    return Context("r1", "u", "t", "report", submitter=stored, **fields)


async def test_a_job_that_a_job_starts_is_stored_when_it_was_awaited() -> None:
    stored = Stored()
    submitted = await parent(stored, job_id="j1").submit("resize", {"n": 1}, priority="low")
    assert stored.asked == [("t", "u", "j1.1", "resize", {"n": 1}, {"priority": "low"})]
    assert stored.stored == ["j1.1"]
    assert submitted == Submitted("j1.1", ids.job_id("t", "u", "j1.1"))


async def test_the_ids_of_the_jobs_that_a_run_starts_are_the_same_in_its_next_attempt() -> None:
    for attempt in (1, 2):
        ctx = parent(Stored(), job_id="j1", attempt=attempt)
        submitted = [await ctx.submit("resize"), await ctx.submit("resize", id="mine"), await ctx.submit("resize")]
        assert [each.request_id for each in submitted] == ["j1.1", "mine", "j1.2"]


async def test_inline_the_parent_is_the_id_that_its_job_would_have() -> None:
    submitted = await parent(Stored()).submit("resize")
    assert submitted.request_id == f"{ids.job_id('t', 'u', 'r1')}.1"


async def test_a_thread_waits_until_the_job_is_stored() -> None:
    stored = Stored(Future())
    ctx = parent(stored, job_id="j1")
    thread = asyncio.create_task(asyncio.to_thread(ctx.submit, "resize"))
    await until(lambda: stored.asked)
    assert not thread.done()
    stored.crossing.set_result(None)  # type: ignore[union-attr]  # given above
    assert (await thread).request_id == "j1.1"


async def test_a_thread_hears_that_its_run_was_stopped_while_the_store_is_away() -> None:
    stored = Stored(Future())
    ctx = parent(stored)
    stopped: list[BaseException] = []

    def handler() -> None:
        try:
            ctx.submit("resize")
        except asyncio.CancelledError as error:
            stopped.append(error)

    thread = asyncio.create_task(asyncio.to_thread(handler))
    await until(lambda: stored.asked)
    ctx.cancelled = True
    await thread
    assert len(stopped) == 1


async def test_a_run_that_is_stopped_while_it_submits_waits_for_nothing() -> None:
    stored = Stored(Future())
    ctx = parent(stored)

    class StopsIt(Stored):
        def submit(self, *arguments: Any) -> Awaitable[None] | Future[None]:
            ctx.cancelled = True
            return stored.submit(*arguments)

    ctx._submitter = StopsIt()
    with pytest.raises(asyncio.CancelledError):
        ctx.submit("resize")


def test_a_run_that_was_stopped_starts_nothing() -> None:
    stored = Stored()
    ctx = parent(stored)
    ctx.cancelled = True
    with pytest.raises(asyncio.CancelledError):
        ctx.submit("resize")
    assert stored.asked == []


async def test_without_anybody_who_stores_the_ids_are_told_all_the_same() -> None:
    submitted = parent(None, job_id="j1").submit("resize")
    assert submitted == await submitted == Submitted("j1.1", ids.job_id("t", "u", "j1.1"))
