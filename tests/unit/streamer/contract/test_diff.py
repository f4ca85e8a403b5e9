import json
from collections.abc import Callable
from typing import Any

import pytest

from streamer.context import Context
from streamer.contract import asyncapi, openapi
from streamer.contract.compare import Change
from streamer.contract.diff import NotComparable, changes
from streamer.contract.write import written
from streamer.registry import Registry
from tests.unit.streamer.contract.house import ACTIONS, Bill, Order, eat, registry, registry_with

Make = Callable[[Registry], Any]
BOTH = pytest.mark.parametrize("make", [asyncapi.document, openapi.document], ids=["asyncapi", "openapi"])


class Meal(Order):
    guests: int


class Receipt(Bill):
    tip: int = 0


class Free(Receipt):
    cents: int | None = None  # type: ignore[assignment]  # a promise that a later version took back


def document(make: Make, of: Registry) -> Any:
    return json.loads(written(make(of)))


def told(make: Make, new: Registry, old: Registry | None = None) -> list[tuple[bool, str]]:
    found = changes(document(make, old or registry()), document(make, new))
    return [(change.breaking, f"{change.where} {change.what}") for change in found]


@BOTH
def test_nothing_changed(make: Make) -> None:
    assert told(make, registry()) == []


@BOTH
def test_an_action_that_is_gone_breaks_and_a_new_one_does_not(make: Make) -> None:
    without = registry(*(name for name in ACTIONS if name != "eat"))
    assert (True, "action eat is gone") in told(make, without)
    assert told(make, registry(), without) == [(False, "action eat is new")]


@BOTH
def test_a_new_required_field_of_a_payload_breaks(make: Make) -> None:
    async def dine(_: Context, request: Meal) -> Bill:
        return Bill(cents=request.guests)

    new = registry_with("eat", dine, permission="meals:eat", mode="queued")
    assert told(make, new) == [(True, "eat.request.payload.guests is new and required")]


@BOTH
def test_a_field_of_a_result_that_may_be_null_breaks_and_a_new_one_does_not(make: Make) -> None:
    async def dine(_: Context, request: Order) -> Free:
        return Free(cents=len(request.dish))

    found = told(make, registry_with("eat", dine, permission="meals:eat", mode="queued"))
    assert [breaking for breaking, _ in found] == [True, True, False]
    assert [what.partition("result.")[2] for _, what in found] == [
        "cents may be absent now",
        "cents may be null, too",
        "tip is new",
    ]


@BOTH
def test_a_permission_that_is_asked_for_breaks_and_one_less_does_not(make: Make) -> None:
    freed = registry_with("eat", eat, mode="queued")
    assert told(make, freed) == [(False, "action eat needed the permission meals:eat, needs None")]
    assert told(make, registry(), freed) == [(True, "action eat needed the permission None, needs meals:eat")]


@BOTH
def test_where_an_action_runs_is_told(make: Make) -> None:
    at_once = registry_with("eat", eat, permission="meals:eat", mode="auto")
    found = told(make, at_once)
    assert (False, "action eat mode was queued, is auto") in found
    allowed = registry_with("eat", eat, permission="meals:eat", mode="queued", inline_allowed=True)
    assert (False, "action eat may be asked to run inline") in told(make, allowed)
    assert (True, "action eat may not be asked to run inline any more") in told(make, registry(), allowed)


def test_another_outcome_of_an_action_breaks_as_does_one_less() -> None:
    at_once = registry_with("eat", eat, permission="meals:eat", mode="auto")
    assert (True, "action eat may be answered by eat.response, too") in told(asyncapi.document, at_once)
    found = told(asyncapi.document, registry(), at_once)
    assert (True, "action eat is never answered by eat.response any more") in found


def changed(make: Make, change: Callable[[Any], object]) -> list[Change]:
    """What is told of our own document after this."""
    old, new = document(make, registry()), document(make, registry())
    change(new)
    return list(changes(old, new))


def test_a_message_that_is_gone_breaks() -> None:
    found = changed(asyncapi.document, lambda new: new["operations"].pop("ping"))
    assert found == [Change("message ping", "is gone", breaking=True)]


def test_a_new_type_of_answer_is_ignored_by_who_does_not_know_it() -> None:
    more = {"$ref": "#/channels/ws/messages/drain"}
    found = changed(asyncapi.document, lambda new: new["operations"]["ping"]["reply"]["messages"].append(more))
    assert found == [Change("message ping", "may be answered by drain, too", breaking=False)]


def test_a_new_status_of_jobs_breaks_who_receives_it() -> None:
    found = changed(openapi.document, lambda new: new["components"]["schemas"]["Status"]["enum"].append("PAUSED"))
    assert {change.where for change in found} >= {"GET /v1/requests/{id} 200.status"}
    assert all(change.breaking for change in found)


def of_requests(new: Any, method: str = "get", path: str = "/v1/requests") -> Any:
    return new["paths"][path][method]


@pytest.mark.parametrize(
    ("change", "where", "what", "breaking"),
    [
        (lambda new: new["paths"].pop("/livez"), "GET /livez", "is gone", True),
        (lambda new: new["paths"].update({"/x": {"get": {}}}), "GET /x", "is new", False),
        (
            lambda new: of_requests(new)["responses"].pop("429"),
            "GET /v1/requests 429",
            "is never answered any more",
            True,
        ),
        (
            lambda new: of_requests(new)["responses"].update({"410": {}}),
            "GET /v1/requests 410",
            "may be answered, too",
            False,
        ),
        (
            lambda new: of_requests(new)["parameters"].pop(),
            "GET /v1/requests query cursor",
            "is gone",
            True,
        ),
        (
            lambda new: of_requests(new)["parameters"].append({"in": "query", "name": "x", "schema": {}}),
            "GET /v1/requests query x",
            "is new",
            False,
        ),
        (
            lambda new: of_requests(new)["parameters"].append(
                {"in": "query", "name": "x", "schema": {}, "required": True}
            ),
            "GET /v1/requests query x",
            "is new and required",
            True,
        ),
        (
            lambda new: new["components"]["parameters"]["cursor"].update(required=True),
            "GET /v1/requests query cursor",
            "is required now",
            True,
        ),
        (
            lambda new: new["components"]["parameters"]["id"].update(required=False),
            "DELETE /v1/requests/{id} path id",
            "may be absent now",
            False,
        ),
        (
            lambda new: new["components"]["parameters"]["limit"]["schema"].update(maximum=50),
            "GET /v1/requests query limit",
            "maximum was 100, is 50",
            True,
        ),
        (
            lambda new: of_requests(new, path="/v1/presence")["responses"]["200"].update(content={"text/csv": {}}),
            "GET /v1/presence 200",
            "is not said as application/json any more",
            True,
        ),
        (
            lambda new: of_requests(new, path="/v1/presence")["responses"]["200"]["content"].update({"text/csv": {}}),
            "GET /v1/presence 200",
            "may be said as text/csv, too",
            True,
        ),
        (
            lambda new: new["components"]["schemas"]["ChunkFrame"]["properties"].pop("index"),
            "GET /v1/requests/{id}/events 200 chunk.index",
            "is gone",
            True,
        ),
        (
            lambda new: new["components"]["schemas"]["TokenWish"]["required"].append("ttl_s"),
            "POST /v1/dev/tokens body.ttl_s",
            "is required now",
            True,
        ),
        (
            lambda new: of_requests(new, path="/v1/admin/jobs").update({"x-streamer-permission": "admin:all"}),
            "GET /v1/admin/jobs",
            "needed the permission admin:read, needs admin:all",
            True,
        ),
    ],
)
def test_calls_are_compared(change: Callable[[Any], object], where: str, what: str, breaking: bool) -> None:
    assert Change(where, what, breaking) in changed(openapi.document, change)


def test_breaking_changes_come_first() -> None:
    without = registry(*(name for name in ACTIONS if name != "grow"), actions=ACTIONS)
    found = told(asyncapi.document, registry("grow"), without)
    assert [breaking for breaking, _ in found] == sorted((breaking for breaking, _ in found), reverse=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([], {}),
        ({"asyncapi": "3.0.0"}, {"swagger": "2.0"}),
        ({"asyncapi": "3.0.0"}, {"openapi": "3.1.0"}),
        ({"asyncapi": "3.0.0"}, {"asyncapi": "3.0.0"}),
        ({"openapi": "3.1.0", "components": 1}, {"openapi": "3.1.0"}),
        (
            {"openapi": "3.1.0", "components": {"schemas": {}}, "paths": {"/a": {"get": 1}}},
            {"openapi": "3.1.0", "components": {"schemas": {}}, "paths": {"/a": {"get": 1}}},
        ),
    ],
)
def test_what_is_no_contract_of_ours_is_refused(old: Any, new: Any) -> None:
    with pytest.raises(NotComparable):
        changes(old, new)
