"""Which classes a process is made of."""

import app.kinds
import workers.kinds
from app import inline, submit
from streamer import submitter, traced
from workers import executor


def test_without_tracing_a_process_is_made_of_the_plain_classes() -> None:
    node, worker = app.kinds.kinds(is_traced=False), workers.kinds.kinds(is_traced=False)
    assert (node.inline, node.submits, node.submitter) == (inline.Inline, submit.Submits, submitter.Submitter)
    assert (worker.executor, worker.submitter) == (executor.Executor, submitter.Submitter)


def test_with_tracing_of_others() -> None:
    node, worker = app.kinds.kinds(is_traced=True), workers.kinds.kinds(is_traced=True)
    assert node.submitter is worker.submitter is traced.TracedSubmitter
    assert node.inline is not inline.Inline
    assert worker.executor is not executor.Executor
