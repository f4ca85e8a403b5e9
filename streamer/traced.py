"""Jobs that handlers start, in the trace of their handler. Made only where tracing is on."""

from dataclasses import replace
from typing import Any

from opentelemetry import trace

from streamer.context import SubmitOptions
from streamer.jobs.model import Submission
from streamer.submitter import Submitter
from streamer.telemetry import tracing


class TracedSubmitter(Submitter):
    """The row of the job names the span in which it was submitted."""

    def submission(
        self, tenant: str, user: str, client_id: str, action: str, payload: Any, options: SubmitOptions
    ) -> Submission:
        made = super().submission(tenant, user, client_id, action, payload, options)
        return replace(made, metadata=tracing.inscribed(made.metadata, trace.get_current_span()))
