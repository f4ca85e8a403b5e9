"""Jobs that no client asked for: what is checked, what is stored, and who is told."""

import asyncio
from collections.abc import Awaitable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from streamer.context import SubmitOptions
from streamer.definitions import define
from streamer.errors import InvalidAction, InvalidPayload, StoreUnavailable
from streamer.intake import Policy
from streamer.jobs import ids, lifecycle
from streamer.jobs.model import Job, Priority, Submission
from streamer.registry import Registry
from streamer.store.base import Enqueued
from streamer.submitter import MAX_OFFERS, Offers, Submitter
from tests.support.jobs import NOON_MS, row


class Size(BaseModel):
    n: int


@dataclass
class Point:
    x: int


async def resize(_: object, request: Size) -> None: ...


async def anything(_: object, request: Any) -> None: ...


ACTIONS = [define("resize", resize, queue="images", retries=7), define("anything", anything)]


class Requests:
    """A store that is away for the first `faults` calls."""

    def __init__(self, faults: int = 0) -> None:
        self.faults = faults
        self.stored: list[Submission] = []

    async def enqueue(self, submission: Submission) -> Enqueued:
        if self.faults > 0:
            self.faults -= 1
            raise StoreUnavailable
        self.stored.append(submission)
        return Enqueued(lifecycle.submit(submission, "nonce", NOON_MS, 0), created=True)


class Scene:
    def __init__(self, faults: int = 0, **options: Any) -> None:
        self.requests = Requests(faults)
        self.told: list[Job] = []
        self.submitter = Submitter(
            Registry(ACTIONS, threads=1),
            self.requests,  # type: ignore[arg-type]  # what a submitter needs of it
            Policy(max_retries=3, start_within_ms=60_000),
            **{"tell": self.told.append, **options},
        )

    def asked(self, payload: Any = None, *, action: str = "anything", **options: Any) -> Submission:
        given: SubmitOptions = options  # type: ignore[assignment]  # tests give wrong ones too
        return self.submitter.submission("acme", "ann", "r1", action, payload, given)

    def submit(self, action: str = "anything") -> Awaitable[None] | Future[None]:
        return self.submitter.submit("acme", "ann", "r1", action, 1, {})


@pytest.fixture
async def scene() -> Scene:
    return Scene()


def test_the_job_is_what_a_client_would_have_submitted(scene: Scene) -> None:
    submission = scene.asked({"n": 1}, action="resize")
    assert submission == Submission(
        tenant="acme",
        user="ann",
        client_id="r1",
        action="resize",
        payload=b'{"n":1}',
        payload_hash=ids.payload_hash("resize", {"n": 1}),
        start_within_ms=60_000,
        queue="images",
        max_retries=7,
    )


def test_options(scene: Scene) -> None:
    submission = scene.asked(
        priority="high", delay=timedelta(minutes=1), expires_in=1.5, metadata={"a": Point(1)}, durable=True
    )
    assert submission.priority is Priority.HIGH
    assert (submission.delay_ms, submission.expires_in_ms) == (60_000, 1_500)
    assert (submission.metadata, submission.durable) == ({"a": {"x": 1}}, True)
    assert scene.asked(expires_in=None, metadata=None).expires_in_ms is None


@pytest.mark.parametrize(
    "options",
    [
        {"priority": "urgent"},
        {"delay": -1},
        {"delay": 86_401},
        {"expires_in": 0},
        {"metadata": {"a": object()}},
        {"metadata": {"a": "x" * 4_096}},
    ],
)
def test_options_that_cannot_be(scene: Scene, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        scene.asked(**options)


def test_an_option_that_is_misspelt(scene: Scene) -> None:
    with pytest.raises(TypeError, match="delay_seconds"):
        scene.asked(delay_seconds=1)


def test_payloads_are_whatever_has_json(scene: Scene) -> None:
    assert scene.asked(Point(1)).payload == b'{"x":1}'
    assert scene.asked(Size(n=2), action="resize").payload == b'{"n":2}'
    with pytest.raises(ValueError, match="payload"):
        scene.asked(object())


def test_an_id_that_no_client_could_give(scene: Scene) -> None:
    with pytest.raises(ValueError, match="id"):
        scene.submitter.submit("acme", "ann", "a b", "anything", None, {})


def test_an_action_that_is_not_there_and_a_payload_that_it_refuses(scene: Scene) -> None:
    with pytest.raises(InvalidAction):
        scene.asked(action="crop")
    with pytest.raises(InvalidPayload):
        scene.asked({"n": "many"}, action="resize")


async def test_it_is_stored_and_somebody_told(scene: Scene) -> None:
    stored = scene.submit()
    assert scene.requests.stored == []
    assert not isinstance(stored, Future)
    await stored
    assert [each.client_id for each in scene.requests.stored] == ["r1"]
    assert [each.client_id for each in scene.told] == ["r1"]


async def test_from_a_thread_it_is_stored_on_the_loop(scene: Scene) -> None:
    def handler() -> None:
        stored = scene.submit()
        assert isinstance(stored, Future)
        stored.result()

    await asyncio.to_thread(handler)
    assert len(scene.requests.stored) == len(scene.told) == 1


async def test_nobody_is_told_where_workers_are_not_to_be_told() -> None:
    await (quiet := Scene(tell=None)).submitter.store(quiet.asked())
    assert quiet.told == []
    assert len(quiet.requests.stored) == 1


async def test_a_store_that_is_away_is_tried_again() -> None:
    scene = Scene(faults=2)
    await scene.submitter.store_patiently(scene.asked())
    assert len(scene.requests.stored) == 1


async def test_a_store_that_stays_away_is_told() -> None:
    scene = Scene(faults=10, patience_s=0)
    with pytest.raises(StoreUnavailable):
        await scene.submitter.store_patiently(scene.asked())
    assert scene.requests.faults == 9


async def test_offers_are_made_beside_the_work_and_bounded() -> None:
    made: list[Job] = []
    open_ = asyncio.Event()

    async def offer(job: Job) -> None:
        await open_.wait()
        made.append(job)

    offers, jobs = Offers(offer), [row(job_id=str(number)) for number in range(MAX_OFFERS + 1)]
    for job in jobs:
        offers.tell(job)
    assert made == []
    open_.set()
    await offers.close()
    assert made == jobs[:-1]
    offers.tell(row(due_ms=1_000))
    offers.tell(jobs[-1])
    await offers.close()
    assert made == jobs


async def test_an_offer_that_dies_is_not_silent() -> None:
    async def offer(_: Job) -> None:
        raise RuntimeError("no")

    offers = Offers(offer)
    with capture_logs() as lines:
        offers.tell(row())
        await offers.close()
    assert [line["event"] for line in lines] == ["task_died"]
