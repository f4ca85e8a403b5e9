import io

import pytest
from rich.console import Console
from rich.progress import Progress

from streamer.cli.bar import bar, show_on
from streamer.client import Acknowledged, Chunk, Completed, Event, Problem, ProgressEvent, Retrying


@pytest.mark.parametrize(
    ("event", "description", "completed", "chunks"),
    [
        (Acknowledged(request_id="r", state="PENDING"), "pending", 30, "5 chunks"),
        (ProgressEvent(request_id="r", percentage=40, message="Reading"), "Reading", 40, "5 chunks"),
        (ProgressEvent(request_id="r", percentage=70), "running", 70, "5 chunks"),
        (Chunk(request_id="r", index=5, data={}), "before", 30, "6 chunks"),
        (
            Retrying(request_id="r", attempt=2, error=Problem("PROCESSING_FAILED"), continues_from=3),
            "attempt 2 failed (PROCESSING_FAILED), trying again",
            0,
            "3 chunks",
        ),
        (
            Retrying(request_id="r", attempt=2, error=Problem("TIMEOUT")),
            "attempt 2 failed (TIMEOUT), trying again",
            0,
            "",
        ),
        (Completed(request_id="r", result=1), "before", 30, "5 chunks"),
    ],
)
def test_the_bar_is_where_the_request_is(event: Event, description: str, completed: float, chunks: str) -> None:
    progress = Progress()
    task = progress.add_task("before", total=100, completed=30, chunks="5 chunks")
    show_on(progress, task, event)
    shown = progress.tasks[0]
    assert (shown.description, shown.completed, shown.fields["chunks"]) == (description, completed, chunks)


@pytest.mark.parametrize(("shown", "drawn"), [(True, True), (False, False)])
def test_it_is_drawn_only_where_it_is_shown(shown: bool, drawn: bool) -> None:
    screen = io.StringIO()
    with bar("r", shown=shown, console=Console(file=screen, force_terminal=True, width=100)) as show:
        show(ProgressEvent(request_id="r", percentage=40, message="Reading"))
        show(Chunk(request_id="r", index=6, data={}))
    assert ("Reading" in screen.getvalue()) is drawn
    assert ("7 chunks" in screen.getvalue()) is drawn
