"""Actions of two modules of one user, whose models have the same names; and registries of some of them."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from streamer.context import Context
from streamer.definitions import Action, define
from streamer.registry import Registry


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Order(BaseModel):
    """A dish."""

    dish: Annotated[str, Field(min_length=1)]
    colours: frozenset[Colour] = frozenset(Colour)


class Bill(BaseModel):
    cents: int


def _another() -> type[BaseModel]:
    class Order(BaseModel):
        """An order to the army."""

        march: Literal["left", "right"]

    return Order


Command: Any = _another()


class Tree(BaseModel):
    name: str
    children: "list[Tree]" = []


async def eat(_: Context, request: Order) -> Bill:
    """A meal, and its price.

    What is below the first paragraph is for the author.
    """
    return Bill(cents=len(request.dish))


async def march(_: Context, request: Command) -> None:
    del request


async def grow(_: Context, request: Tree) -> Tree:
    return request


class Chart:
    """Nothing that JSON knows."""

    def __init__(self, points: list[int]) -> None:
        self.points = points


class Charts(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    chart: Annotated[Chart, BeforeValidator(Chart)]


async def count(_: Context, request: Charts) -> int:
    return len(request.chart.points)


async def shout(_: Context, request: str) -> Any:
    return request.upper()


async def keep(_: Context, request: dict[str, Any]) -> Any:
    return request


async def rest() -> None:
    return


ACTIONS = {
    "eat": define("eat", eat, permission="meals:eat", mode="queued"),
    "march": define("march", march, mode="queued", inline_allowed=True),
    "grow": define("grow", grow),
    "count": define("count", count),
    "shout": define("shout", shout, mode="inline"),
    "keep": define("keep", keep),
    "rest.a_bit": define("rest.a_bit", rest),
}


def registry(*names: str, actions: dict[str, Action] | None = None) -> Registry:
    """Of all of them, or of these in this order."""
    known = ACTIONS if actions is None else actions
    return Registry([known[name] for name in names or known], threads=1)


def registry_with(name: str, function: Callable[..., Any], **options: Any) -> Registry:
    """All of them, but that one is this function."""
    return registry(actions={**ACTIONS, name: define(name, function, **options)})
