"""The demo actions: the payloads of the original's clients, progress in steps, results."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import orjson
import pytest

from streamer.actions import load_registry
from streamer.context import DONE, Context, Reporter
from streamer.errors import InvalidPayload
from streamer.jobs.model import Progress
from streamer.protocol.messages import Mode

REGISTRY = load_registry((), threads=1)
REPORT = {"start_date": "2024-01-01", "end_date": "2024-01-31", "format": "pdf", "report_type": "monthly"}
DATA = {"dataset_id": "d1", "operation": "clean"}


class Heard(Reporter):
    def __init__(self) -> None:
        self.all: list[Progress] = []
        self.rows: list[dict[str, Any]] = []
        self.batches: list[int] = []
        self.fails_after: int | None = None  # the handler, when it has saved so many checkpoints

    def progress(self, progress: Progress) -> None:
        self.all.append(progress)

    def emit(self, data: bytes) -> Awaitable[None]:
        self.rows += orjson.loads(data)["rows"]
        return DONE

    def save_checkpoint(self, state: bytes) -> Awaitable[None]:
        self.batches.append(orjson.loads(state)["batches"])
        if len(self.batches) == self.fails_after:
            raise RuntimeError("the worker dies")
        return DONE


async def run(name: str, payload: Any) -> tuple[Any, list[Progress]]:
    heard = Heard()
    action = REGISTRY.get(name)
    ctx = Context("r1", "u", "t", name, reporter=heard)
    result = await REGISTRY.invoke(action, ctx, action.validate(payload))
    return action.to_json(result), heard.all


@pytest.mark.parametrize("payload", [{"message": "hi"}, {}, [1], "x", None])
async def test_echo_answers_with_the_payload(payload: Any) -> None:
    result, progress = await run("echo", payload)
    assert result["echo"] == payload
    assert result["action"] == "echo"
    assert result["received_at"] > 1_700_000_000
    assert progress == []


def test_echo_is_inline_and_the_others_are_queued() -> None:
    payloads = {"echo": {}, "echo_async": {}, "generate_report": REPORT, "process_data": DATA}
    queued = {name for name, payload in payloads.items() if _is_queued(name, payload)}
    assert queued == {"echo_async", "generate_report", "process_data"}


def _is_queued(name: str, payload: Any) -> bool:
    action = REGISTRY.get(name)
    return action.is_queued(action.validate(payload), Mode.AUTO, 5.0)


@pytest.mark.parametrize(
    ("name", "payload"), [("echo_async", {"a": 1}), ("generate_report", REPORT), ("process_data", DATA)]
)
async def test_queued_ones_tell_how_far_they_are(name: str, payload: dict[str, Any]) -> None:
    _, progress = await run(name, {**payload, "duration_s": 0})
    percentages = [each.percentage for each in progress]
    assert len(percentages) >= 5
    assert percentages == sorted(set(percentages))
    assert 0 <= percentages[0] < percentages[-1] < 100
    assert all(each.message for each in progress)


async def test_echo_async_gives_the_payload_back_as_it_was() -> None:
    payload = {"message": "hi", "model_dump": 1, "duration_s": 0}
    result, _ = await run("echo_async", payload)
    assert result == payload


async def test_a_report() -> None:
    result, _ = await run("generate_report", {**REPORT, "duration_s": 0, "unknown": "field"})
    assert result["url"] == "https://reports.example.com/r1/monthly-2024-01-01-2024-01-31.pdf"
    assert result["rows"] == 31 * 96
    assert result["size"] > 0


async def test_charts_are_drawn_when_asked_for() -> None:
    _, without = await run("generate_report", {**REPORT, "duration_s": 0})
    _, charts = await run("generate_report", {**REPORT, "duration_s": 0, "include_charts": True})
    assert "Drawing charts" not in [each.message for each in without]
    assert "Drawing charts" in [each.message for each in charts]


async def processed(heard: Heard, checkpoint: Any = None) -> Any:
    action = REGISTRY.get("process_data")
    ctx = Context("r1", "u", "t", "process_data", reporter=heard, checkpoint=checkpoint)
    return action.to_json(await REGISTRY.invoke(action, ctx, action.validate({**DATA, "duration_s": 0})))


async def test_processed_data_is_output_row_by_row() -> None:
    heard = Heard()
    assert await processed(heard) == {"dataset_id": "d1", "operation": "clean", "rows": 120}
    assert [row["id"] for row in heard.rows] == list(range(120))
    assert len({row["value"] for row in heard.rows}) > 100
    assert heard.batches == list(range(1, 11))
    assert [each.metadata["rows"] for each in heard.all if each.metadata] == list(range(0, 120, 12))


async def test_processing_goes_on_where_it_was() -> None:
    whole, before, after = Heard(), Heard(), Heard()
    await processed(whole)
    before.fails_after = 4
    with pytest.raises(RuntimeError, match="dies"):
        await processed(before)
    await processed(after, {"batches": before.batches[-1]})
    assert before.rows + after.rows == whole.rows
    assert after.all[0].percentage == 40.0


async def test_a_long_one_is_cancelled_between_two_ticks() -> None:
    heard = Heard()
    action = REGISTRY.get("process_data")
    request = action.validate({**DATA, "duration_s": 3_600})
    ctx = Context("r1", "u", "t", "process_data", reporter=heard)
    task = asyncio.create_task(REGISTRY.invoke(action, ctx, request), name="demo")
    await asyncio.sleep(0)  # lets it begin
    assert len(heard.all) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("name", "payload", "where"),
    [
        ("echo_async", "text", []),
        ("echo_async", {"duration_s": -1}, ["duration_s"]),
        ("generate_report", {}, ["start_date"]),
        ("generate_report", {**REPORT, "start_date": "January"}, ["start_date"]),
        ("generate_report", {**REPORT, "format": "docx"}, ["format"]),
        ("generate_report", {**REPORT, "end_date": "2023-12-31"}, []),
        ("process_data", {"operation": "clean"}, ["dataset_id"]),
        ("process_data", {**DATA, "operation": ""}, ["operation"]),
    ],
)
def test_payloads_that_are_refused(name: str, payload: Any, where: list[str]) -> None:
    with pytest.raises(InvalidPayload) as refused:
        REGISTRY.get(name).validate(payload)
    assert refused.value.details is not None
    assert refused.value.details["errors"][0]["loc"] == where


@pytest.mark.parametrize("duration_s", [-0.1, 3_600.1, "long", None, float("nan")])
def test_durations_that_are_refused(duration_s: Any) -> None:
    with pytest.raises(InvalidPayload):
        REGISTRY.get("process_data").validate({**DATA, "duration_s": duration_s})


@pytest.mark.parametrize(("given", "taken"), [({}, 3), ({"duration_s": 0}, 0), ({"duration_s": 3_600}, 3_600)])
def test_durations(given: dict[str, Any], taken: int) -> None:
    assert REGISTRY.get("process_data").validate({**DATA, **given}).duration_s == taken
