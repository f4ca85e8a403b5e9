"""What `streamer contract --typescript` writes, before the compiler itself."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import GenericAlias
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict, Field, create_model

from streamer.context import Context
from streamer.contract import typescript
from streamer.definitions import Action, define
from streamer.registry import Registry
from tests.support import typescript as compiler

Write = Callable[[str, str], Path]
MODELS = 60


@dataclass(frozen=True)
class Kind:
    """A type of Python, and JSON values that it takes."""

    annotation: Any
    values: Sequence[Any]


def kinds() -> st.SearchStrategy[Kind]:
    return st.recursive(leaves(), lambda inner: containers(inner) | models(inner), max_leaves=8)


def leaves() -> st.SearchStrategy[Kind]:
    return st.sampled_from(
        [
            Kind(int, [0, -1, 2**53]),
            Kind(float, [0.5, -3, 1e300]),
            Kind(bool, [True, False]),
            Kind(str, ["", "ü \u2028 */ `${x}` \\ \" '"]),
            Kind(type(None), [None]),
            Kind(Any, [None, 1, ["a"], {"b": {}}]),
            Kind(date, ["2026-01-31"]),
            Kind(datetime, ["2026-01-31T12:00:00Z"]),
            Kind(Decimal, ["1.50", 1.5]),
            Kind(bytes, ["bytes"]),
            Kind(Literal["a b", 'quo"te', 3, True], ["a b", 'quo"te', 3, True]),
            Kind(dict[str, Any], [{}, {"a": 1}]),
            Kind(list[Any], [[], [1, "a"]]),
        ]
    )


def containers(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    return st.one_of(
        inner.map(lambda kind: Kind(GenericAlias(list, kind.annotation), [[], list(kind.values)])),
        inner.map(lambda kind: Kind(GenericAlias(tuple, (kind.annotation, ...)), [[], list(kind.values)])),
        inner.map(lambda kind: Kind(GenericAlias(dict, (str, kind.annotation)), [{}, {"x y": kind.values[0]}])),
        inner.map(lambda kind: Kind(kind.annotation | None, [*kind.values, None])),
        st.tuples(inner, inner).map(lambda two: _either(*two)),
        st.tuples(inner, inner).map(lambda two: _both(*two)),
    )


def _either(one: Kind, other: Kind) -> Kind:
    return Kind(one.annotation | other.annotation, [*one.values, *other.values])


def _both(one: Kind, other: Kind) -> Kind:
    return Kind(GenericAlias(tuple, (one.annotation, other.annotation)), [[one.values[-1], other.values[0]]])


@st.composite
def models(draw: st.DrawFn, inner: st.SearchStrategy[Kind]) -> Kind:
    """With members of any name, some of which may be left out, and descriptions of any text."""
    names = draw(st.lists(st.text(min_size=1).filter(lambda name: name != "__proto__"), max_size=4, unique=True))
    members = [(name, draw(inner), draw(st.booleans()), draw(st.text())) for name in names]
    fields: dict[str, Any] = {
        f"f{at}": (kind.annotation, Field(kind.values[0] if optional else ..., alias=name, description=about))
        for at, (name, kind, optional, about) in enumerate(members)
    }
    title = draw(st.sampled_from(["Row", "Größe", "Box[int]", "2fa", "Actions"]))
    config = draw(st.sampled_from([ConfigDict(), ConfigDict(extra="allow"), ConfigDict(extra="forbid")]))
    model = create_model(title, __config__=config, __doc__=draw(st.text()), **fields)
    whole = {name: kind.values[-1] for name, kind, _, _ in members}
    short = {name: kind.values[0] for name, kind, optional, _ in members if not optional}
    return Kind(model, [whole, short])


def some_kinds() -> Sequence[Kind]:
    found: list[Kind] = []

    @settings(max_examples=MODELS, database=None)
    @given(models(kinds()))
    def collect(kind: Kind) -> None:
        found.append(kind)

    collect()
    return found


def action(name: str, annotation: Any) -> Action:
    async def handler(_: Context, request: Any) -> Any:
        return request

    handler.__annotations__ |= {"request": annotation, "return": annotation}
    return define(name, handler)


def module_of(found: Sequence[Kind]) -> str:
    actions = [action(f"a.{at}", kind.annotation) for at, kind in enumerate(found)]
    return typescript.module(Registry(actions, threads=1))


def uses(found: Sequence[Kind]) -> str:
    """A program that gives each action what it takes."""
    lines = (
        f'export const v{at}_{number}: Actions["a.{at}"]["payload"] = {json.dumps(value)};'
        for at, kind in enumerate(found)
        for number, value in enumerate(kind.values)
    )
    return "\n".join(['import type { Actions } from "./actions.mjs";', *lines])


@pytest.fixture
def write(tmp_path: Path) -> Write:
    compiler.require_packages()

    def written(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return written


async def test_the_types_of_any_models_compile_and_take_what_the_models_take(write: Write) -> None:
    found = some_kinds()
    assert not await compiler.compile_strictly(write("actions.mts", module_of(found)), write("uses.mts", uses(found)))


async def test_the_compiler_refuses_what_a_model_would_refuse(write: Write) -> None:
    row = Kind(create_model("Row", n=(int, ...)), [{"n": 1}, {"n": "one"}, {}, {"n": 1, "m": 2}])
    told = await compiler.compile_strictly(write("actions.mts", module_of([row])), write("uses.mts", uses([row])))
    assert [line for line in range(2, 6) if f"uses.mts({line}," in told] == [3, 4, 5]
