import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from streamer.actions import load_registry
from streamer.contract import asyncapi
from streamer.contract.write import written
from streamer.protocol import schema
from streamer.protocol.schema.client import PingFrame
from tests.support.contract import Contract
from tests.unit.streamer.contract.house import ACTIONS, registry

OFFICIAL = json.loads((Path(__file__).parents[3] / "fixtures" / "asyncapi" / "3.0.0.json").read_text())


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(written(asyncapi.document(registry())))


def faults(document: Any) -> list[str]:
    return [fault.message for fault in jsonschema.Draft7Validator(OFFICIAL).iter_errors(document)]


def test_the_document_is_one_by_the_official_schema(document: Any) -> None:
    assert faults(document) == []


def test_so_is_that_of_no_action_but_the_demo() -> None:
    assert faults(json.loads(written(asyncapi.document(load_registry([], threads=1))))) == []


def test_the_official_schema_finds_what_is_wrong(document: Any) -> None:
    broken = json.loads(json.dumps(document))
    broken["operations"]["eat.call"]["action"] = "devour"
    assert faults(broken)


def test_every_reference_leads_somewhere(document: Any) -> None:
    for target in references(document):
        found = document
        for part in target.removeprefix("#/").split("/"):
            found = found[part]


def test_each_action_is_an_operation_with_its_answers(document: Any) -> None:
    assert answers(document, "grow") >= {"grow.response", "acknowledgment", "grow.complete", "error"}
    assert "eat.response" not in answers(document, "eat")
    assert "march.response" in answers(document, "march")
    calls = {name for name in document["operations"] if name.endswith(".call")}
    assert calls == {f"{name}.call" for name in ACTIONS}


def test_an_operation_says_what_its_action_asks_for(document: Any) -> None:
    eat = document["operations"]["eat.call"]
    assert eat["x-streamer-permission"] == "meals:eat"
    assert (eat["x-streamer-mode"], eat["x-streamer-inline-allowed"]) == ("queued", False)
    assert eat["description"] == "A meal, and its price."
    assert "x-streamer-permission" not in document["operations"]["grow.call"]


def test_every_frame_has_its_message_and_its_place(document: Any) -> None:
    kinds = {*schema.CLIENT_TYPES, *schema.SERVER_TYPES}
    assert kinds <= document["components"]["messages"].keys()
    used = set(references(document["operations"]))
    unused = {kind for kind in kinds if f"#/channels/ws/messages/{kind}" not in used}
    assert unused == {"request", "response"}  # each action has its own


def test_models_of_one_name_stay_apart(document: Any) -> None:
    spoken = Contract(document)
    assert spoken.fault_in_sent({"action": "eat", "payload": {"dish": "soup"}}) is None
    assert spoken.fault_in_sent({"action": "march", "payload": {"march": "left"}}) is None
    assert spoken.fault_in_sent({"action": "march", "payload": {"dish": "soup"}})


def test_a_payload_is_required_where_its_absence_would_be_refused(document: Any) -> None:
    spoken = Contract(document)
    allowed = {name for name in ACTIONS if spoken.fault_in_sent({"action": name}) is None}
    assert allowed == {"keep", "rest.a_bit"}


def test_what_only_python_can_check_may_be_anything(document: Any) -> None:
    spoken = Contract(document)
    assert spoken.fault_in_sent({"action": "count", "payload": {"chart": [1, 2]}}) is None
    assert spoken.fault_in_sent({"action": "count", "payload": {}})


def test_a_model_may_refer_to_itself(document: Any) -> None:
    spoken = Contract(document)
    tree = {"name": "a", "children": [{"name": "b"}]}
    assert spoken.fault_in_sent({"action": "grow", "payload": tree}) is None
    assert spoken.fault_in_sent({"action": "grow", "payload": {"name": "a", "children": [{"name": 1}]}})


def test_the_document_is_the_same_in_whatever_order_the_actions_were_declared() -> None:
    names = sorted(ACTIONS)
    assert written(asyncapi.document(registry(*names))) == written(asyncapi.document(registry(*reversed(names))))


def test_another_action_changes_nothing_of_the_others(document: Any) -> None:
    alone = json.loads(written(asyncapi.document(registry("eat"))))["components"]["schemas"]
    assert alone.items() <= document["components"]["schemas"].items()


def test_a_set_by_default_has_one_order(document: Any) -> None:
    assert document["components"]["schemas"]["eat.payload"]["properties"]["colours"]["default"] == ["blue", "red"]


def test_null_is_no_value_of_a_frame(document: Any) -> None:
    frames = [*schema.CLIENT_FRAMES, *schema.SERVER_FRAMES]
    said = json.dumps([document["components"]["schemas"][frame.__name__] for frame in frames])
    assert '"null"' not in said
    assert PingFrame.model_validate({"type": "ping", "id": None}).id is None


def answers(document: Any, action: str) -> set[str]:
    reply = document["operations"][f"{action}.call"]["reply"]["messages"]
    return {each["$ref"].rpartition("/")[2] for each in reply}


def references(said: Any) -> list[str]:
    if isinstance(said, dict):
        own = [said["$ref"]] if isinstance(said.get("$ref"), str) else []
        return [*own, *(target for each in said.values() for target in references(each))]
    return [target for each in said for target in references(each)] if isinstance(said, list) else []
