"""Actions of the console's story, loaded by STREAMER_ACTIONS: a press that can run out of paper and of glue, which are
files in the folder that ACME_RUNS names."""

import asyncio
import os
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from streamer import ActionError, Context, action


class Booklet(BaseModel):
    """What `print_booklet` is asked for."""

    title: str = Field(min_length=1, description="What stands on every page")
    pages: int = Field(6, ge=2, le=100)
    paper: Literal["a4", "a5"] = "a4"
    with_cover: bool = True


@action("print_booklet", mode="queued", retries=3)
async def print_booklet(ctx: Context, request: Booklet) -> dict[str, Any]:
    """Print page by page. Half of them are printed on what is left in the tray, the others when there is paper."""
    for page in range(request.pages):
        if 2 * page >= request.pages:
            await _until_there("paper")
        await ctx.emit({"page": page + 1, "title": request.title})
        await ctx.progress(100 * (page + 1) / request.pages, f"Printing on {request.paper}")
    return {"pages": request.pages, "attempt": ctx.attempt}


@action("bind_booklet", mode="queued", retries=0, permission="booklets:bind")
async def bind_booklet() -> dict[str, Any]:
    """Bind what was printed; without glue it fails."""
    if not _place("glue").exists():
        raise ActionError("NO_GLUE", "There is no glue.")
    return {"bound": True}


class Address(BaseModel):
    street: str
    number: int = Field(1, ge=1)


class Order(BaseModel):
    """A value of every kind that the form can ask for, and of some that it cannot."""

    customer: str = Field(pattern="^[a-z]+$", max_length=20)
    copies: int = Field(ge=1, le=500)
    weight: float = Field(80.5, gt=0)
    express: bool = False
    insured: bool | None = None
    size: Literal["small", "large", 3] = "small"
    wanted_on: date
    ordered_at: datetime | None = None
    address: Address
    return_to: Address | None = None
    tags: list[str] = []
    parts: list[Address] = []
    note: str | None = None
    limits: dict[str, int] = {}
    reference: int | str = 7


@action("order", mode="inline")
async def order(_: Context, request: Order) -> Order:
    """The order back, as it was understood."""
    return request


def _place(name: str) -> Path:
    return Path(os.environ["ACME_RUNS"]) / name


async def _until_there(name: str) -> None:
    while not _place(name).exists():  # noqa: ASYNC110  # it is another process that makes the file
        await asyncio.sleep(0.05)
