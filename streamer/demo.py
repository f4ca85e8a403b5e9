"""Four actions to try Streamer with, loaded by default; and an example of how to write one."""

import asyncio
import math
import time
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import quote
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streamer.actions import action
from streamer.context import Context

TICK_S: Final = 0.5
"""How often a queued demo tells where it is, at least."""
ROWS_PER_DAY: Final = 96
BATCHES: Final = 10
BATCH_ROWS: Final = 12
"""Of a data set."""
BYTES_PER_ROW: Final = {"pdf": 210, "csv": 48, "xlsx": 75, "html": 130}

DurationS = Annotated[int | float, Field(ge=0, le=3_600, allow_inf_nan=False)]


@action("echo")
async def echo(ctx: Context, payload: Any) -> dict[str, Any]:
    """The payload back, at once."""
    return {"echo": payload, "action": ctx.action, "received_at": time.time()}


class EchoAsync(BaseModel):
    """Any object; only `duration_s` means something."""

    model_config = ConfigDict(extra="allow")

    duration_s: DurationS = 3


@action("echo_async", mode="queued")
async def echo_async(ctx: Context, request: EchoAsync) -> dict[str, Any]:
    """The payload back, after a while."""
    await _work(ctx, request.duration_s, ("Listening", "Climbing", "Calling", "Waiting", "Returning"))
    return request.model_dump(exclude_unset=True)


class ReportRequest(BaseModel):
    start_date: date
    end_date: date
    format: Literal["pdf", "csv", "xlsx", "html"] = "pdf"
    report_type: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    include_charts: bool = False
    duration_s: DurationS = 3

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end_date < self.start_date:
            raise ValueError("end_date must not be before start_date")
        return self

    @property
    def days(self) -> int:
        return (self.end_date - self.start_date).days + 1


class Report(BaseModel):
    url: str
    size: int  # bytes
    rows: int
    format: str


@action("generate_report", mode="queued")
async def generate_report(ctx: Context, request: ReportRequest) -> Report:
    """A report over a span of days, both included."""
    picture = "Drawing charts" if request.include_charts else "Laying out"
    steps = ("Reading", "Filtering", "Aggregating", picture, "Rendering", "Storing")
    rows = request.days * ROWS_PER_DAY
    await _work(ctx, request.duration_s, steps, rows=rows)
    name = f"{request.report_type or 'report'}-{request.start_date}-{request.end_date}.{request.format}"
    return Report(
        url=f"https://reports.example.com/{ctx.request_id}/{quote(name)}",
        size=rows * BYTES_PER_ROW[request.format],
        rows=rows,
        format=request.format,
    )


class ProcessRequest(BaseModel):
    dataset_id: Annotated[str, Field(min_length=1, max_length=200)]
    operation: Annotated[str, Field(min_length=1, max_length=100)]
    duration_s: DurationS = 3


class Processed(BaseModel):
    dataset_id: str
    operation: str
    rows: int


@action("process_data", mode="queued")
async def process_data(ctx: Context, request: ProcessRequest) -> Processed:
    """An operation on every row of a data set. The rows are output, batch by batch; a retry goes on after the last."""
    steps = ("Opening", "Reading", request.operation, "Checking", "Closing")
    done = 0 if ctx.checkpoint is None else ctx.checkpoint["batches"]
    for batch in range(done, BATCHES):
        span = (100 * batch / BATCHES, 100 * (batch + 1) / BATCHES)
        step = steps[batch * len(steps) // BATCHES]
        await _work(ctx, request.duration_s / BATCHES, (step,), rows=BATCHES * BATCH_ROWS, span=span)
        await ctx.emit({"rows": _rows(request, batch)})
        await ctx.save_checkpoint({"batches": batch + 1})
    return Processed(dataset_id=request.dataset_id, operation=request.operation, rows=BATCHES * BATCH_ROWS)


def _rows(request: ProcessRequest, batch: int) -> list[dict[str, Any]]:
    """What became of a batch: the same whenever it is worked out."""
    first = batch * BATCH_ROWS
    return [{"id": number, "value": _value(request, number)} for number in range(first, first + BATCH_ROWS)]


def _value(request: ProcessRequest, number: int) -> float:
    return crc32(f"{request.dataset_id} {request.operation} {number}".encode()) % 10_000 / 100


async def _work(
    ctx: Context,
    duration_s: float,
    steps: Sequence[str],
    *,
    rows: int | None = None,
    span: tuple[float, float] = (0, 100),
) -> None:
    """Takes its time, evenly over the steps, and tells about each of them and every half second; `span`: from which
    percentage to which it leads."""
    start, end = span
    ticks = max(len(steps), math.ceil(duration_s / TICK_S))
    for tick in range(ticks):
        percentage = start + (end - start) * tick / ticks
        done = {} if rows is None else {"rows": round(rows * percentage / 100)}
        await ctx.progress(round(percentage, 1), steps[tick * len(steps) // ticks], **done)
        await asyncio.sleep(duration_s / ticks)
