"""The jobs of a user, page by page."""

import base64

import orjson
import pytest

from streamer.errors import InvalidMessage
from streamer.jobs.model import Job, Status
from streamer.store import listing
from tests.support.store import Scene


async def pages(scene: Scene, *, limit: int, status: Status | None = None, user: str | None = None) -> list[list[Job]]:
    """Every page, to the last one."""
    found: list[list[Job]] = []
    cursor: str | None = None
    while not found or cursor is not None:
        page = await scene.store.requests.page_by_user(
            scene.tenant, user or scene.user, limit=limit, status=status, cursor=cursor
        )
        found.append(list(page.jobs))
        cursor = page.cursor
    return found


async def submitted(scene: Scene, count: int, *, every_ms: int = 1) -> list[Job]:
    jobs = []
    for number in range(count):
        jobs.append(await scene.submit(f"r{number}"))
        scene.clock.advance(every_ms)
    return jobs


async def test_pages_hold_everything_once_and_the_newest_first(scene: Scene) -> None:
    jobs = await submitted(scene, 11)
    await scene.submit("other user", user="eve")
    await scene.submit("other tenant", tenant="evil")
    found = await pages(scene, limit=4)
    assert [len(page) for page in found] == [4, 4, 3]
    assert [job for page in found for job in page] == jobs[::-1]


async def test_the_last_page_says_that_it_is_the_last(scene: Scene) -> None:
    await submitted(scene, 8)
    assert [len(page) for page in await pages(scene, limit=4)] == [4, 4]
    assert await pages(scene, limit=4, user="nobody") == [[]]


async def test_jobs_of_one_moment_are_on_one_page_each(scene: Scene) -> None:
    jobs = await submitted(scene, 13, every_ms=0)
    found = [job.job_id for page in await pages(scene, limit=3) for job in page]
    assert sorted(found) == sorted(job.job_id for job in jobs)


async def test_what_is_submitted_meanwhile_is_on_no_later_page(scene: Scene) -> None:
    jobs = await submitted(scene, 6)
    first = await scene.store.requests.page_by_user(scene.tenant, scene.user, limit=3)
    for number in range(12):  # more than a page, in every part of the index
        await scene.submit(f"newer{number}")
    rest = await scene.store.requests.page_by_user(scene.tenant, scene.user, limit=9, cursor=first.cursor)
    assert [*first.jobs, *rest.jobs] == jobs[::-1]
    assert rest.cursor is None


async def test_only_those_of_a_status(scene: Scene) -> None:
    jobs = await submitted(scene, 9)
    gone = [await scene.cancel(job) for job in jobs[::3]]
    found = await pages(scene, limit=2, status=Status.CANCELLED)
    assert [job for page in found for job in page] == gone[::-1]
    waiting = await pages(scene, limit=100, status=Status.PENDING)
    assert [job.client_id for page in waiting for job in page] == ["r8", "r7", "r5", "r4", "r2", "r1"]


async def test_a_page_ends_after_so_many_rows_that_do_not_have_the_status(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "AHEAD", 2)
    monkeypatch.setattr(listing, "MAX_LOOKED", 4)
    jobs = await submitted(scene, 9)
    gone = await scene.cancel(jobs[0])
    found = await pages(scene, limit=3, status=Status.CANCELLED)
    assert found == [[], [], [gone]]


async def test_the_cursor_of_another_user_leads_to_nothing_of_theirs(scene: Scene) -> None:
    mine = await submitted(scene, 4)
    for number in range(4):
        await scene.submit(f"s{number}", user="eve")
        scene.clock.advance(1)
    theirs = await scene.store.requests.page_by_user(scene.tenant, "eve", limit=2)
    page = await scene.store.requests.page_by_user(scene.tenant, scene.user, limit=9, cursor=theirs.cursor)
    assert {job.user for job in page.jobs} == {scene.user}
    assert set(page.jobs) <= set(mine)


@pytest.mark.parametrize(
    "told",
    [
        None,
        {},
        [],
        [1],
        [True, [[1, "0" * 32]]],
        [-1, [[1, "0" * 32]] * 4],
        ["1", [[1, "0" * 32]] * 4],
        [1, [[1, "0" * 32]] * 9],
        [1, [[True, "0" * 32]] * 4],
        [1, [[True, "0" * 32]]],
        [1, [[-1, "0" * 32]] * 4],
        [1, [[-1, "0" * 32]]],
        [1, [[1, "x"]] * 4],
        [1, [[1, "x"]]],
        [1, [[1]] * 4],
        [1, ["1"]],
    ],
)
async def test_a_cursor_that_no_page_has_given_is_refused(scene: Scene, told: object) -> None:
    cursor = base64.urlsafe_b64encode(orjson.dumps(told)).decode()
    with pytest.raises(InvalidMessage, match="cursor"):
        await scene.store.requests.page_by_user(scene.tenant, scene.user, limit=3, cursor=cursor)


@pytest.mark.parametrize("cursor", ["", "?", "junk", "ab=c", "\u00e9", "eA=="])
async def test_a_cursor_that_cannot_be_read_is_refused(scene: Scene, cursor: str) -> None:
    with pytest.raises(InvalidMessage, match="cursor"):
        await scene.store.requests.page_by_user(scene.tenant, scene.user, limit=3, cursor=cursor)
