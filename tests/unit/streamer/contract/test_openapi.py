import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.health import Health
from streamer.contract import openapi
from streamer.contract.write import written
from streamer.jobs.model import Status
from tests.unit.streamer.contract.house import ACTIONS, registry

METHODS = ("get", "post", "delete")


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(written(openapi.document(registry())))


def takes(document: Any, body: Any) -> bool:
    schema = document["paths"]["/v1/requests"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return bool(Draft202012Validator({**schema, "components": document["components"]}).is_valid(body))


def test_the_document_is_one_by_the_official_schema(document: Any) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_the_official_schema_finds_what_is_wrong(document: Any) -> None:
    broken = json.loads(json.dumps(document))
    del broken["paths"]["/livez"]["get"]["responses"]["200"]["description"]
    assert list(OpenAPIV31SpecValidator(broken).iter_errors())


def test_the_body_of_a_call_is_that_of_its_action(document: Any) -> None:
    assert takes(document, {"action": "eat", "payload": {"dish": "soup"}, "options": {"durable": True}})
    assert not takes(document, {"action": "eat", "payload": {"march": "left"}})
    assert not takes(document, {"action": "eat", "payload": {"dish": "soup"}, "options": {"colour": 1}})
    assert not takes(document, {"action": "nobody's"})
    assert not takes(document, {"type": "cancel", "action": "keep"})


def test_every_call_but_those_of_monitoring_needs_a_token(document: Any) -> None:
    assert document["security"] == [{"bearer": []}]
    paths = document["paths"]
    is_open = {path for path in paths for method in METHODS if paths[path].get(method, {}).get("security") == []}
    assert is_open == {"/livez", "/readyz", "/v1/dev/tokens"}


def test_every_call_of_operators_names_its_permission(document: Any) -> None:
    paths = {path: each for path, each in document["paths"].items() if path.startswith("/v1/admin/")}
    named = {
        (path, method): paths[path][method]["x-streamer-permission"]
        for path in paths
        for method in METHODS
        if method in paths[path]
    }
    assert {method for (_, method), permission in named.items() if permission == "admin:read"} == {"get"}
    assert {method for (_, method), permission in named.items() if permission == "admin:write"} == {"delete", "post"}


def test_a_refusal_for_now_says_when_to_come_again(document: Any) -> None:
    responses = document["components"]["responses"]
    telling = {name for name, each in responses.items() if "Retry-After" in each.get("headers", {})}
    assert telling == {"TooManyRequests", "Unavailable"}


def test_results_are_found_by_their_action(document: Any) -> None:
    results = document["paths"]["/v1/requests"]["post"]["x-streamer-results"]
    assert results.keys() == ACTIONS.keys()
    assert results["eat"] == {"$ref": "#/components/schemas/eat.result"}


def test_a_listing_is_asked_for_by_the_statuses_that_there_are(document: Any) -> None:
    assert document["components"]["parameters"]["status"]["schema"]["enum"] == list(Status)


@pytest.mark.parametrize("health", [Health(), Health(True), Health(True, is_draining=True), Health(True, loop_lag_s=9)])
def test_readiness_is_said_in_the_words_of_the_node(document: Any, health: Health) -> None:
    words = document["components"]["schemas"]["Readiness"]["properties"]["status"]["enum"]
    assert (health.unready or "ready") in words


def test_the_document_is_the_same_in_whatever_order_the_actions_were_declared() -> None:
    names = sorted(ACTIONS)
    assert written(openapi.document(registry(*names))) == written(openapi.document(registry(*reversed(names))))
