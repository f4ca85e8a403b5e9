import pytest

from streamer.jobs import dispatch
from streamer.jobs.dispatch import Candidate, Kind
from streamer.jobs.model import Entry
from tests.support.jobs import NOON_MS, row


def test_a_job_stays_in_its_shard() -> None:
    shards = {dispatch.shard(row(job_id=f"{number:032x}").job_id) for number in range(200)}
    assert shards == set(range(dispatch.SHARDS))


def test_the_partitions_of_a_job() -> None:
    job = row(queue="slow")
    shard = dispatch.shard(job.job_id)
    assert dispatch.ready(job).partition == f"R#slow#{shard}"
    assert dispatch.timer(job, 5).partition == f"T#slow#{shard}"
    assert dispatch.running(job.job_id, "slow", "s", 5).partition == f"L#slow#{shard}"
    assert dispatch.dead(job, 5).partition == f"D#slow#{shard}"


@pytest.mark.parametrize("tenant", ["acme", "a#b", "#", "a##b#", "Ümläut", "1800000000000#x"])
def test_a_candidate_is_read_back(tenant: str) -> None:
    job = row(tenant=tenant, action="report.v2", virtual_time=NOON_MS - 5)
    entry = dispatch.ready(job)
    expected = Candidate(job.job_id, "default", "report.v2", tenant, NOON_MS - 5, NOON_MS, entry.sort)
    assert dispatch.candidate(job.job_id, entry) == expected


def test_numbers_sort_as_numbers() -> None:
    job = row()
    sorts = [dispatch.timer(job, due_ms).sort for due_ms in (-5, 9, 10, 999, NOON_MS, 10**13 - 1, 10**15)]
    assert sorts == sorted(sorts)
    assert sorts[0].startswith("0" * 13)


@pytest.mark.parametrize("rank", [0, 41, NOON_MS])
def test_up_to_includes_its_rank_and_nothing_later(rank: int) -> None:
    job = row(tenant="\U0010ffff")
    assert dispatch.timer(job, rank).sort < dispatch.up_to(rank)
    assert dispatch.timer(job, rank + 1).sort > dispatch.up_to(rank)


def test_a_sessions_prefix_finds_only_its_own() -> None:
    entry = dispatch.running("j", "default", "ab", NOON_MS)
    assert entry == Entry(f"L#default#{dispatch.shard('j')}", f"ab#{NOON_MS}")
    assert entry.sort.startswith(dispatch.session_prefix("ab"))
    assert not entry.sort.startswith(dispatch.session_prefix("a"))


def test_kinds_are_the_letters_of_the_table() -> None:
    assert [str(kind) for kind in Kind] == ["R", "T", "L", "D"]
