"""The queue index: where a job stands while it needs attention. Pure text, the same on every engine.

| partition | sort key | meaning |
|---|---|---|
| `R#queue#shard` | `<virtual time>#<created>#<tenant>#<action>` | ready, the smallest first |
| `T#queue#shard` | `<due>#<created>#<tenant>#<action>` | a timer: a retry or a delayed job |
| `L#queue#shard` | `<worker session>#<started>` | running |
| `D#queue#shard` | `<failed at>#<created>#<tenant>#<action>` | dead letters |

Numbers have 13 digits, so text order is number order until the year 2286. A tenant may contain `#`; the fields
around it may not, so a key is read from both ends. DynamoDB bounds a sort key to 1,024 bytes; tenants are
bounded to 256 by `streamer.auth`.
"""

import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from streamer.jobs.model import Entry, Job

SHARDS: Final = 8
"""Write shards of the index: each bears about 250 jobs/s on DynamoDB (1,000 write units/s and partition)."""

_LAST: Final = 10**13 - 1


class Kind(StrEnum):
    READY = "R"
    TIMER = "T"
    RUNNING = "L"
    DEAD = "D"


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the index tells of a waiting or dead job: a hint; the row is the truth."""

    job_id: str
    queue: str
    action: str
    tenant: str
    rank: int  # virtual time, due time or time of failure, by kind
    created_ms: int
    sort: str  # the whole sort key, to go on from


def shard(job_id: str) -> int:
    return zlib.crc32(job_id.encode()) % SHARDS


def partition(kind: Kind, queue: str, shard: int) -> str:
    return f"{kind}#{queue}#{shard}"


def ready(job: Job) -> Entry:
    return Entry(_partition_of(Kind.READY, job), _sort(job.virtual_time, job))


def timer(job: Job, due_ms: int) -> Entry:
    return Entry(_partition_of(Kind.TIMER, job), _sort(due_ms, job))


def running(job_id: str, queue: str, session: str, now_ms: int) -> Entry:
    return Entry(partition(Kind.RUNNING, queue, shard(job_id)), f"{session_prefix(session)}{now_ms:013d}")


def dead(job: Job, now_ms: int) -> Entry:
    return Entry(_partition_of(Kind.DEAD, job), _sort(now_ms, job))


def session_prefix(session: str) -> str:
    """What the sort keys of a session's running jobs begin with."""
    return f"{session}#"


def up_to(rank: int) -> str:
    """A sort key after every entry of this rank and before every later one."""
    return f"{min(rank, _LAST):013d}$"  # '$' is the character after '#'


def candidate(job_id: str, entry: Entry) -> Candidate:
    """Reads an entry of kind READY, TIMER or DEAD back."""
    queue = entry.partition.split("#")[1]
    rank, created, rest = entry.sort.split("#", 2)
    tenant, action = rest.rsplit("#", 1)
    return Candidate(job_id, queue, action, tenant, int(rank), int(created), entry.sort)


def _partition_of(kind: Kind, job: Job) -> str:
    return partition(kind, job.queue, shard(job.job_id))


def _sort(rank: int, job: Job) -> str:
    return f"{min(max(rank, 0), _LAST):013d}#{job.created_ms:013d}#{job.tenant}#{job.action}"
