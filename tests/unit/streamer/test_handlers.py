"""Handlers: what their signatures say."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from streamer import handlers
from streamer.context import Context

CTX = Context("r", "u", "t", "a")


class Model(BaseModel):
    n: int


async def both(ctx: Context, request: Model) -> Model:
    assert ctx is CTX
    return request


def only_context(ctx: Context) -> str:
    return ctx.user


async def nothing() -> None: ...


class Callee:
    async def __call__(self, ctx: Context, request: Model) -> Model:
        return await both(ctx, request)


def test_a_handler_of_both_is_called_as_it_is() -> None:
    handler = handlers.read(both)
    assert handler.run is both
    assert handler.is_async
    assert handler.request is not None
    assert handler.result is not None


async def test_a_handler_is_given_what_it_takes() -> None:
    assert handlers.read(only_context).run(CTX, "ignored") == "u"
    assert not handlers.read(only_context).is_async
    assert await handlers.read(nothing).run(CTX, "ignored") is None

    def spread(*arguments: object, **_: object) -> object:
        return arguments

    assert handlers.read(spread).run(CTX, 1) == (CTX, 1)

    def more(ctx: Context, request: Any, extra: int = 5, *, named: int = 6) -> object:
        return (ctx, request, extra, named)

    assert handlers.read(more).run(CTX, 1) == (CTX, 1, 5, 6)


@pytest.mark.parametrize("function", [functools.partial(both), Callee(), functools.partial(Callee())])
async def test_callables_that_are_no_plain_function(function: Callable[..., Any]) -> None:
    handler = handlers.read(function)
    assert handler.is_async
    assert handler.request is not None
    assert await handler.run(CTX, Model(n=1)) == Model(n=1)


def test_a_wrapped_function_is_read_where_it_was_written() -> None:
    @functools.wraps(both)
    async def wrapper(*arguments: Any) -> Any:
        return await both(*arguments)

    assert handlers.read(wrapper).request is not None


@pytest.mark.parametrize("annotation", [Any, object], ids=repr)
def test_requests_that_pass_as_they_are(annotation: Any) -> None:
    def function(ctx: Context, request: annotation) -> None: ...

    handler = handlers.read(function)
    assert handler.request is None
    assert not handler.wants_object


@pytest.mark.parametrize("annotation", [dict, Mapping, dict[str, Any], Mapping[str, object]], ids=repr)
def test_requests_that_are_objects(annotation: Any) -> None:
    def function(ctx: Context, request: annotation) -> None: ...

    handler = handlers.read(function)
    assert handler.request is None
    assert handler.wants_object


@pytest.mark.parametrize(
    "annotation", [int, dict[str, int], Annotated[str, Field(max_length=3)], Model, list[Model]], ids=repr
)
def test_requests_that_are_checked(annotation: Any) -> None:
    def function(ctx: Context, request: annotation) -> None: ...

    assert handlers.read(function).request is not None


@pytest.mark.parametrize("annotation", [None, Any, dict[str, Any], list[dict[str, int]], int | None, bool], ids=repr)
def test_results_that_are_json_by_themselves(annotation: Any) -> None:
    def function() -> annotation: ...

    assert handlers.read(function).result is None


@pytest.mark.parametrize("annotation", [Model, list[Model], dict[str, Model], Model | None], ids=repr)
def test_results_that_are_a_promise(annotation: Any) -> None:
    def function() -> annotation: ...

    assert handlers.read(function).result is not None


def test_annotations_may_be_text() -> None:
    def function(_: "NobodyKnowsThis", request: "Model") -> "Model":  # type: ignore[name-defined]  # noqa: F821 - as under TYPE_CHECKING
        return request

    handler = handlers.read(function)
    assert handler.request is not None
    assert handler.result is not None


def test_annotations_without_a_meaning_are_refused() -> None:
    def function(ctx: Context, request: "Elsewhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821 - the test

    with pytest.raises(ValueError, match=r"'Elsewhere' of .*function has no meaning .*define the type at module level"):
        handlers.read(function)


def test_types_that_json_cannot_be_checked_against_are_refused() -> None:
    def function(ctx: Context, request: Callee) -> None: ...

    with pytest.raises(ValueError, match=r"Callee.* is no type that JSON can be checked against"):
        handlers.read(function)


def three(ctx: Context, request: Any, more: Any) -> None: ...


def required(ctx: Context, *, named: int) -> None: ...


@pytest.mark.parametrize("function", [three, required])
def test_other_signatures_are_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"must take \(ctx, request\), \(ctx\) or nothing"):
        handlers.read(function)


def test_generators_are_refused() -> None:
    def plain() -> Iterator[int]:
        yield 1

    async def asynchronous() -> AsyncIterator[int]:
        yield 1

    for function in (plain, asynchronous):
        with pytest.raises(ValueError, match="is a generator"):
            handlers.read(function)
