from collections.abc import Collection, Mapping, Sequence
from typing import cast

from streamer.jobs import lifecycle
from streamer.jobs.model import Job, Submission
from streamer.store.engine import MAX_MS, Made, Rows
from streamer.store.listing import Listing


def name(number: int) -> str:
    return f"{number:032x}"


class Parts:
    """An index in so many parts, with rows for all that it lists but those that are gone."""

    def __init__(self, *parts: Sequence[int], gone: Collection[int] = ()) -> None:
        self._parts = [[Made(number, name(number)) for number in part] for part in parts]
        self._gone = {name(number) for number in gone}
        self.user_shards = len(parts)

    async def newest_in(
        self, shard: int, _: str, __: str, *, limit: int, after: Made | None = None, until_ms: int = MAX_MS
    ) -> Sequence[Made]:
        start = Made(until_ms + 1, "") if after is None else after
        return [made for made in self._parts[shard] if made < start][:limit]

    async def get_many(self, job_ids: Collection[str]) -> Mapping[str, Job]:
        submission = Submission(
            tenant="t", user="u", client_id="r", action="a", payload=b"", payload_hash="", start_within_ms=1
        )
        row = lifecycle.submit(submission, "nonce", 1, 1)
        return {each: row for each in job_ids if each not in self._gone}


async def sizes(parts: Parts, limit: int) -> list[int]:
    """Of all pages."""
    found: list[int] = []
    cursor: str | None = None
    while not found or cursor is not None:
        page = await Listing(cast("Rows", parts), "t", "u", cursor).page(parts.get_many, limit, None)
        found.append(len(page.jobs))
        cursor = page.cursor
    return found


async def test_a_part_that_was_not_reached_is_begun_by_a_later_page() -> None:
    assert await sizes(Parts([9, 8, 7], [3, 2, 1]), 2) == [2, 2, 2]


async def test_rows_that_are_gone_are_passed_over() -> None:
    assert await sizes(Parts([9, 7, 5], [8, 6], gone=[9, 6]), 2) == [2, 1]


async def test_a_part_may_be_read_more_than_once_for_a_page() -> None:
    assert await sizes(Parts([9, 8, 7, 6, 5, 4], [], gone=[9, 8, 7]), 2) == [2, 1]
