from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from streamer.actions import load_registry
from streamer.context import Context
from streamer.contract import typescript
from streamer.definitions import define
from streamer.registry import Registry
from tests.unit.streamer.contract.house import ACTIONS, registry

DOCUMENT = Path(__file__).parents[4] / "docs" / "contract.md"


class Odd(BaseModel):
    """What somebody wrote, */ and all.

    Over several lines."""

    model_config = ConfigDict(extra="allow")

    with_name: Annotated[str, Field(alias="with-name", description="Its name.", default="x")]
    old: Annotated[str | None, Field(deprecated=True)] = None


class Pair(BaseModel):
    first: int


async def odd(_: Context, request: Odd) -> list[Pair]:
    del request
    return []


def module(*names: str) -> str:
    return typescript.module(registry(*names))


def module_of(*names: str) -> str:
    return typescript.module(Registry([define(name, odd) for name in names], threads=1))


def test_an_action_has_its_payload_its_result_and_what_is_said_of_it() -> None:
    text = module("eat")
    assert text.startswith("// Made by `streamer contract --typescript`")
    assert (
        """export interface Actions {
  /**
   * A meal, and its price.
   * Always queued.
   * Permission: `meals:eat`.
   */
  "eat": {
    payload: EatPayload;
    result: EatResult;
    chunk: unknown;
  };
}
"""
        in text
    )


def test_a_payload_may_be_undefined_where_its_absence_would_not_be_refused() -> None:
    assert "payload: { [key: string]: unknown } | undefined;" in module("keep")
    assert "payload: unknown;" in module("rest.a_bit")
    assert "payload: OddPayload | undefined;" in module_of("odd")


def test_a_model_is_an_interface_and_an_enumeration_a_union() -> None:
    text = module("eat")
    assert 'export type EatPayloadColour = "red" | "blue";\n' in text
    assert (
        """/** A dish. */
export interface EatPayload {
  dish: string;
  /** @defaultValue ["blue", "red"] */
  colours?: EatPayloadColour[];
}
"""
        in text
    )


def test_a_model_may_refer_to_itself() -> None:
    text = module("grow")
    assert "export type GrowPayload = GrowPayloadTree;\n" in text
    assert "  children?: GrowPayloadTree[];\n" in text


def test_what_only_python_can_check_may_be_anything() -> None:
    assert "chart: unknown;" in module("count")


def test_what_is_said_of_a_field_stands_above_it() -> None:
    text = module_of("odd")
    assert (
        """/**
 * What somebody wrote, *\\/ and all.
 *
 * Over several lines.
 */
export interface OddPayload {
  /**
   * Its name.
   * @defaultValue "x"
   */
  "with-name"?: string;
  /**
   * @defaultValue null
   * @deprecated
   */
  old?: string | null;
  [key: string]: unknown;
}
"""
        in text
    )
    assert "export type OddResult = OddResultPair[];\n" in text


def test_names_that_would_be_one_are_numbered() -> None:
    text = module_of("a.b", "a_b", "2fa")
    assert '  "a.b": {\n    payload: ABPayload | undefined;\n    result: ABResult;' in text
    assert '  "a_b": {\n    payload: ABPayload_2 | undefined;\n    result: ABResult_2;' in text
    assert '  "2fa": {\n    payload: _2faPayload | undefined;' in text
    assert "export type ABResult_2 = ABResultPair_2[];\n" in text


def test_no_action_is_no_member() -> None:
    assert "export interface Actions {\n}\n" in typescript.module(Registry([], threads=1))


def test_the_module_is_the_same_in_whatever_order_the_actions_were_declared() -> None:
    names = sorted(ACTIONS)
    assert module(*names) == module(*reversed(names))


def test_what_the_documentation_shows_of_the_demo_actions_is_written() -> None:
    shown = DOCUMENT.read_text().partition("```ts\n")[2].partition("```")[0].splitlines()
    assert len(shown) > 10
    assert set(shown) <= set(typescript.module(load_registry((), threads=1)).splitlines())
