"""The counters of an action, looked up once: a label lookup per message would cost more than the count."""

from streamer.actions import Action
from streamer.protocol.messages import Mode
from streamer.telemetry.metrics import Metrics, observe_all


class Meter:
    """What is counted about the messages for one action."""

    __slots__ = ("_answered", "_failed", "_inline_s", "_submit_s", "_submits", "acknowledged", "answered_s", "refused")

    def __init__(self, metrics: Metrics, action: str) -> None:
        self.answered_s: list[float] = []  # seconds of each response since `settle`: to be counted
        self._failed = metrics.messages.labels(action, "error")
        self.acknowledged = metrics.messages.labels(action, "acknowledgment")
        self.refused = metrics.messages.labels(action, "refused")
        self._answered = metrics.messages.labels(action, "response")
        self._inline_s = metrics.inline_seconds.labels(action)
        self._submit_s = metrics.submit_seconds
        self._submits = {
            result: metrics.submits.labels(action, result) for result in ("created", "joined", "refused", "failed")
        }

    def settle(self) -> None:
        """Counts the responses: many at a time cost a tenth of what one at a time does."""
        answered_s, self.answered_s = self.answered_s, []
        self._answered.inc(len(answered_s))
        observe_all(self._inline_s, answered_s)

    def error(self, seconds: float) -> None:
        """An inline run that ended with an error."""
        self._failed.inc()
        self._inline_s.observe(seconds)

    def submitted(self, result: str, seconds: float) -> None:
        """One call to the store's `enqueue`."""
        self._submits[result].inc()
        self._submit_s.observe(seconds)


class Known:
    """An action with its meter, and what can be said of it before any request."""

    __slots__ = ("action", "always", "meter", "promote_s")

    def __init__(self, action: Action, meter: Meter, threshold_s: float) -> None:
        self.action = action
        self.meter = meter
        own_s = threshold_s if action.threshold_s is None else action.threshold_s
        self.promote_s = own_s if action.promote else None  # an inline run that takes longer is queued; None: never
        self.always: bool | None = None  # whether it is queued; None where that depends on the request
        if not callable(action.estimate):
            self.always = action.is_queued(None, Mode.AUTO, threshold_s)
