"""What a stranger hears over HTTP of somebody's request: what is said of one that never existed."""

import re
from typing import Any

import pytest

from app.watch import PERMISSION
from tests.integration.app.house import House, token
from tests.integration.app.http_caller import call
from tests.integration.app.test_jobs import job_id
from tests.integration.app.test_strangers import STATES, STRANGERS, its_own_answer_comes, stored

CALLS: dict[str, tuple[str, str, dict[str, str]]] = {
    "state": ("GET", "", {}),
    "stream": ("GET", "/events", {}),
    "resumed": ("GET", "/events", {"last_event_id": "9.9.9"}),
    "cancel": ("DELETE", "", {}),
}


async def hears(node: House, bearer: str, kind: str, name: str) -> tuple[Any, ...]:
    """The whole answer, but for the id and the times."""
    method, path, headers = CALLS[kind]
    answer = await call(node, method, f"/v1/requests/{name}{path}", bearer=bearer, **headers)
    told = {key: value for key, value in answer.headers.items() if key not in ("date", "content-length")}
    body = re.sub(r"'timestamp': [\d.]+", "", str(answer.body).replace(name, "NAME"))
    return answer.status, told, body


@pytest.mark.parametrize("who", STRANGERS)
async def test_somebody_elses_request_is_like_one_that_never_existed(node: House, who: str) -> None:
    owner = await node.client(v1=True)
    user, tenant, *permissions = STRANGERS[who]
    bearer = token(user, tenant, tuple(permissions))
    for kind in CALLS:
        of_nothing = await hears(node, bearer, kind, "nothing")
        assert of_nothing[0] == 404
        for state, make in STATES.items():
            name = f"{kind}-{state}"
            await make(node, owner, name)
            before = await stored(node, name)
            for named in (name, job_id(name)):
                assert await hears(node, bearer, kind, named) == of_nothing, (kind, state, named)
            assert await stored(node, name) == before
    listed = await call(node, "GET", "/v1/requests", bearer=bearer)
    assert listed.body == {"requests": [], "cursor": None}
    await its_own_answer_comes(owner, len(CALLS))


async def test_who_may_watch_may_not_cancel(node: House) -> None:
    owner = await node.client(v1=True)
    bearer = token("bob", "t1", (PERMISSION,))
    of_nothing = await hears(node, bearer, "cancel", "nothing")
    for state, make in STATES.items():
        await make(node, owner, state)
        before = await stored(node, state)
        for named in (state, job_id(state)):
            assert await hears(node, bearer, "cancel", named) == of_nothing
        assert await stored(node, state) == before
