"""A progress bar on stderr for one request."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from streamer.client import Acknowledged, Chunk, Event, ProgressEvent, Retrying

Show = Callable[[Event], None]


@contextmanager
def bar(request_id: str, *, shown: bool, console: Console | None = None) -> Iterator[Show]:
    """What is to be told of every event while the request is open. Draws nothing unless `shown`."""
    text, count = TextColumn("{task.description}"), TextColumn("{task.fields[chunks]}")
    columns = (text, BarColumn(), TaskProgressColumn(), count, TimeElapsedColumn())
    on = console or Console(stderr=True)
    with Progress(*columns, console=on, transient=True, disable=not shown) as progress:
        task = progress.add_task(f"{request_id} sent", total=100, chunks="")
        yield lambda event: show_on(progress, task, event)


def show_on(progress: Progress, task: TaskID, event: Event) -> None:
    """Moves the bar to where the event says that the request is."""
    match event:
        case Acknowledged(state=state):
            progress.update(task, description=state.lower())
        case ProgressEvent(percentage=percentage, message=message):
            progress.update(task, completed=percentage, description=message or "running")
        case Chunk(index=index):
            progress.update(task, chunks=f"{index + 1} chunks")
        case Retrying(attempt=attempt, error=error, continues_from=kept):
            text = f"attempt {attempt} failed ({error.code}), trying again"
            progress.update(task, completed=0, description=text, chunks=f"{kept} chunks" if kept else "")
