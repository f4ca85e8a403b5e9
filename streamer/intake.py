"""From a call of an action to what is stored: the same for clients, back ends, schedules, and jobs that start jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from streamer.definitions import Action
from streamer.errors import InvalidMessage
from streamer.jobs import ids
from streamer.jobs.model import Priority, Submission
from streamer.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a job gets where its action says nothing."""

    max_retries: int
    start_within_ms: int

    @classmethod
    def of(cls, settings: Settings) -> "Policy":
        return cls(max_retries=settings.max_retries, start_within_ms=settings.queue_timeout_s * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What whoever submits may ask for. Times are milliseconds from the submit on."""

    metadata: Mapping[str, Any] | None = None
    priority: Priority = Priority.NORMAL
    delay_ms: int = 0
    expires_in_ms: int | None = None
    durable: bool = False


def submission(
    action: Action, tenant: str, user: str, client_id: str, payload: Any, terms: Terms, policy: Policy
) -> Submission:
    """The job as it is stored; its payload was validated by `action.validate`.

    Raises InvalidMessage where the payload is nested deeper than can be written as JSON.
    """
    return Submission(
        tenant=tenant,
        user=user,
        client_id=client_id,
        action=action.name,
        payload=_json(payload),
        payload_hash=ids.payload_hash(action.name, payload),
        start_within_ms=policy.start_within_ms,
        expires_in_ms=terms.expires_in_ms,
        queue=action.queue,
        metadata=terms.metadata,
        priority=terms.priority,
        delay_ms=terms.delay_ms,
        max_retries=policy.max_retries if action.retries is None else action.retries,
        durable=terms.durable,
    )


def _json(payload: Any) -> bytes:
    try:
        return orjson.dumps(payload)
    except orjson.JSONEncodeError as error:
        raise InvalidMessage("The payload is nested too deeply.") from error
