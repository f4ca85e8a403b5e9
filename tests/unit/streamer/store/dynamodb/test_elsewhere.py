import asyncio

import pytest

from streamer.store.dynamodb import elsewhere
from tests.support.until import PATIENT_S


async def test_the_regions_that_have_it_are_sorted() -> None:
    async def holds(region: str) -> bool:
        return region != "b"

    assert await elsewhere.regions_where(holds, ["c", "b", "a"]) == ["a", "c"]
    assert await elsewhere.regions_where(holds, []) == []


async def test_who_does_not_answer_in_time_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "LIMIT_S", 0.05)
    given_up = asyncio.Event()

    async def holds(region: str) -> bool:
        try:
            return region == "a" or await asyncio.Event().wait()
        finally:
            if region == "b":
                given_up.set()

    assert await elsewhere.regions_where(holds, ["a", "b"]) == ["a"]
    await asyncio.wait_for(given_up.wait(), PATIENT_S)


async def test_not_all_are_asked_at_once() -> None:
    asking = most = 0

    async def holds(_: str) -> bool:
        nonlocal asking, most
        asking += 1
        most = max(most, asking)
        await asyncio.sleep(0)
        asking -= 1
        return False

    assert await elsewhere.regions_where(holds, [str(number) for number in range(30)]) == []
    assert most == elsewhere.AT_ONCE
