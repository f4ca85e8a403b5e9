"""Which output stands, held against a list in which every piece remembers who made it."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis.strategies import SearchStrategy, integers, just, lists, one_of, sampled_from, tuples

from streamer.jobs import lifecycle, output
from streamer.jobs.lifecycle import Transition
from streamer.jobs.model import WAITING, Job, Kept, Status
from streamer.jobs.output import Stretch
from tests.support.jobs import DAY_MS, NOON_MS, OOPS, row, row_in


@dataclass(slots=True)
class Heard:
    """What somebody has who listened to `attempt` until the connection was lost."""

    attempt: int
    pieces: list[int]


@dataclass(slots=True)
class History:
    """A job and its output: at place `index` of `made` stands the attempt that made that piece."""

    job: Job = field(default_factory=lambda: row(max_retries=100))
    made: list[int] = field(default_factory=list)
    saved: list[int] = field(default_factory=list)  # what the newest checkpoint stands for
    heard: list[Heard] = field(default_factory=list)

    def begin(self) -> None:
        self._step(lifecycle.claim(self.job.job_id, self.job.queue, "session", "nonce", NOON_MS))

    def do(self, deed: tuple[str, int]) -> None:
        name, count = deed
        if name == "emit":
            self.made += [self.job.attempt] * count
        elif name == "checkpoint":
            self._step(lifecycle.checkpoint(self.job, b"1", 1, len(self.made)))
            self.saved = [*self.made]
        else:
            self.heard.append(Heard(self.job.attempt, [*self.made]))

    def give_back(self, how: str) -> None:
        ways = {"retry": lifecycle.retry(self.job, OOPS, 2, NOON_MS)}
        self._step(ways[how] if how in ways else getattr(lifecycle, how)(self.job))
        self.made = [*self.saved]

    def end(self, how: str) -> None:
        count = len(self.made)
        if how == "complete":
            self._step(lifecycle.complete(self.job, b"1", 2, NOON_MS, DAY_MS, chunks=count))
        elif how == "fail":
            self._step(lifecycle.fail(self.job, OOPS, 2, NOON_MS, DAY_MS, chunks=count))
        elif how == "cancel":
            self._step(lifecycle.request_cancel(self.job.tenant, self.job.user, NOON_MS))
            self._step(lifecycle.cancelled(self.job, OOPS, 2, NOON_MS, DAY_MS, chunks=count))
        elif how == "lose for good":
            self._step(lifecycle.fail(self.job, OOPS, 2, NOON_MS, DAY_MS))
            self.made = [*self.saved]
        elif how == "cancel while it waits":
            self.give_back("lost")
            self._step(lifecycle.cancel_waiting(self.job.tenant, self.job.user, OOPS, NOON_MS, DAY_MS))
        elif how != "go on":
            self.give_back(how)

    def _step(self, transition: Transition) -> None:
        assert not lifecycle.refuses(transition.guard, self.job)
        self.job = lifecycle.applied(transition, self.job)


DEEDS: SearchStrategy[list[tuple[str, int]]] = lists(
    one_of(tuples(just("emit"), integers(1, 5)), tuples(sampled_from(["checkpoint", "listen"]), just(0))), max_size=8
)
GIVEN_BACK = sampled_from(["lost", "release", "retry"])
ENDS = sampled_from(
    ["go on", "lost", "release", "retry", "complete", "fail", "cancel", "lose for good", "cancel while it waits"]
)


def lived(earlier: list[tuple[list[tuple[str, int]], str]], last: list[tuple[str, int]], end: str) -> History:
    history = History()
    for deeds, how in earlier:
        history.begin()
        for deed in deeds:
            history.do(deed)
        history.give_back(how)
    history.begin()
    for deed in last:
        history.do(deed)
    history.end(end)
    return history


HISTORIES = tuples(lists(tuples(DEEDS, GIVEN_BACK), max_size=4), DEEDS, ENDS).map(lambda parts: lived(*parts))


def standing(job: Job, so_far: int) -> list[int]:
    """The attempts of all pieces that stand; of a running one those below `so_far`."""
    found: list[int] = []
    for stretch in output.stretches(job):
        assert stretch.start == len(found)
        end = so_far if stretch.end is None else stretch.end
        found += [stretch.attempt] * (end - stretch.start)
    return found


@given(HISTORIES)
def test_what_stands_is_what_was_made_and_not_voided(history: History) -> None:
    assert standing(history.job, len(history.made)) == history.made


@given(HISTORIES)
def test_only_the_last_stretch_of_a_running_job_is_open(history: History) -> None:
    ends = [stretch.end for stretch in output.stretches(history.job)]
    assert None not in ends[:-1]
    assert (None in ends) is (history.job.status is Status.PROCESSING)


@given(HISTORIES)
def test_what_a_listener_may_keep_is_what_stands_of_it(history: History) -> None:
    for heard in history.heard:
        mine = heard.pieces[: output.continues_from(history.job, heard.attempt)]
        assert mine[: len(history.made)] == history.made[: len(mine)]
        ended_unheard = history.job.finished and heard.attempt == history.job.attempt
        assert len(mine) <= len(history.made) or ended_unheard


@given(HISTORIES)
def test_a_listener_gives_up_no_more_than_it_must(history: History) -> None:
    for heard in history.heard:
        keeps = output.continues_from(history.job, heard.attempt)
        if keeps is not None and keeps < len(heard.pieces):
            assert heard.pieces[: keeps + 1] != history.made[: keeps + 1]


@given(HISTORIES)
def test_the_next_attempt_begins_where_what_was_kept_ends(history: History) -> None:
    if history.job.status in WAITING:
        assert history.job.kept_chunks == len(history.made)


KEPT = (Kept(1, 50), Kept(2, 60))


@pytest.mark.parametrize(
    ("job", "stretches"),
    [
        (row(), []),
        (row_in(Status.PROCESSING), [Stretch(1, 0, None)]),
        (row_in(Status.PROCESSING, kept=(Kept(1, 50),)), [Stretch(1, 0, 50), Stretch(1, 50, None)]),
        (row(attempt=1, kept=(Kept(1, 50),)), [Stretch(1, 0, 50)]),
        (
            row_in(Status.PROCESSING, attempt=3, kept=KEPT),
            [Stretch(1, 0, 50), Stretch(2, 50, 60), Stretch(3, 60, None)],
        ),
        (
            row_in(Status.COMPLETED, attempt=3, kept=KEPT, chunks=80),
            [Stretch(1, 0, 50), Stretch(2, 50, 60), Stretch(3, 60, 80)],
        ),
        (row_in(Status.COMPLETED, attempt=3, kept=KEPT, chunks=60), [Stretch(1, 0, 50), Stretch(2, 50, 60)]),
        (row_in(Status.CANCELLED, attempt=2, kept=KEPT), [Stretch(1, 0, 50), Stretch(2, 50, 60)]),
        (row_in(Status.COMPLETED), []),
    ],
)
def test_stretches(job: Job, stretches: list[Stretch]) -> None:
    assert output.stretches(job) == stretches


@pytest.mark.parametrize(
    ("job", "attempt", "keeps"),
    [
        (row_in(Status.PROCESSING, attempt=3, kept=KEPT), 0, 0),
        (row_in(Status.PROCESSING, attempt=3, kept=KEPT), 1, 50),
        (row_in(Status.PROCESSING, attempt=3, kept=KEPT), 2, 60),
        (row_in(Status.PROCESSING, attempt=3, kept=KEPT), 3, None),
        (row_in(Status.PROCESSING, attempt=3, kept=KEPT), 4, None),  # the row was read before that attempt began
        (row_in(Status.RETRYING, attempt=2, kept=KEPT), 2, 60),
        (row_in(Status.RETRYING, attempt=2), 2, 0),
        (row_in(Status.COMPLETED, attempt=2), 1, 0),
        (row_in(Status.COMPLETED, attempt=2), 2, None),
    ],
)
def test_what_a_listener_keeps(job: Job, attempt: int, keeps: int | None) -> None:
    assert output.continues_from(job, attempt) == keeps
