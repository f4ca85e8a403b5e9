"""For tests of one's own actions: one run in this process, or the whole stack beside it. See docs/testing.md."""

from streamer.testing.attempt import run
from streamer.testing.process import StackFailed
from streamer.testing.record import Run, SubmittedJob
from streamer.testing.system import Stack, stack

__all__ = ["Run", "Stack", "StackFailed", "SubmittedJob", "run", "stack"]
