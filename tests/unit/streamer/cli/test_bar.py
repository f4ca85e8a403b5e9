import io

import pytest
from rich.console import Console
from rich.progress import Progress

from streamer.cli.bar import bar, show_on
from streamer.client import Acknowledged, Completed, Event, Problem, ProgressEvent, Retrying


@pytest.mark.parametrize(
    ("event", "description", "completed"),
    [
        (Acknowledged(request_id="r", state="PENDING"), "pending", 30),
        (ProgressEvent(request_id="r", percentage=40, message="Reading"), "Reading", 40),
        (ProgressEvent(request_id="r", percentage=70), "running", 70),
        (
            Retrying(request_id="r", attempt=2, error=Problem("PROCESSING_FAILED")),
            "attempt 2 failed (PROCESSING_FAILED), trying again",
            0,
        ),
        (Completed(request_id="r", result=1), "before", 30),
    ],
)
def test_the_bar_is_where_the_request_is(event: Event, description: str, completed: float) -> None:
    progress = Progress()
    task = progress.add_task("before", total=100, completed=30)
    show_on(progress, task, event)
    assert (progress.tasks[0].description, progress.tasks[0].completed) == (description, completed)


@pytest.mark.parametrize(("shown", "drawn"), [(True, True), (False, False)])
def test_it_is_drawn_only_where_it_is_shown(shown: bool, drawn: bool) -> None:
    screen = io.StringIO()
    with bar("r", shown=shown, console=Console(file=screen, force_terminal=True, width=100)) as show:
        show(ProgressEvent(request_id="r", percentage=40, message="Reading"))
    assert ("Reading" in screen.getvalue()) is drawn
