from streamer.jobs import ids
from streamer.store.inbox import LIFETIME_MS, StoredInbox
from tests.support.jobs import NOON_MS, Clock
from tests.unit.streamer.store.shelf import Shelf

JOBS = [ids.job_id("acme", "ann", f"r{number}") for number in range(20)]


async def test_an_entry_is_an_empty_item_of_its_user_named_by_the_job() -> None:
    shelf = Shelf(Clock())
    await StoredInbox(shelf, clock=Clock()).add("acme", "ann", JOBS[0])
    assert shelf.items == {(f"i#{ids.user_key('acme', 'ann')}", JOBS[0]): (b"", NOON_MS + LIFETIME_MS)}


async def test_every_job_id_is_listed() -> None:
    inbox = StoredInbox(Shelf(Clock()), clock=Clock())
    extremes = ["0" * 32, "f" * 32]
    for job_id in (*JOBS, *extremes):
        await inbox.add("acme", "ann", job_id)
    assert await inbox.list("acme", "ann", 100) == sorted([*JOBS, *extremes])
    assert len(await inbox.list("acme", "ann", 5)) == 5


async def test_what_is_removed_is_not_listed() -> None:
    inbox = StoredInbox(Shelf(Clock()), clock=Clock())
    await inbox.add("acme", "ann", JOBS[0])
    await inbox.remove("acme", "ann", JOBS[0])
    await inbox.remove("acme", "ann", JOBS[0])
    assert await inbox.list("acme", "ann", 100) == []
