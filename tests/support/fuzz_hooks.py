"""Loaded by schemathesis (SCHEMATHESIS_HOOKS): jobs that it makes up end soon, so that what follows them does, too."""

import math
from typing import Any

import schemathesis

LONGEST_S = 0.2
PATIENT_S = 3_600


@schemathesis.hook
def map_body(_: schemathesis.HookContext, body: Any) -> Any:
    """The same without waiting: no delay, no long work, and no TIMEOUT, which is rightly a 504."""
    if isinstance(body, dict):
        _bound(body.get("payload"), "duration_s", 0, LONGEST_S)
        _bound(body.get("options"), "delay_seconds", 0, 0)
        _bound(body.get("options"), "expires_in", PATIENT_S, math.inf)
    return body


def _bound(said: Any, name: str, least: float, most: float) -> None:
    """Numbers only, and not those that are refused anyway."""
    if isinstance(said, dict) and type(said.get(name)) in (int, float) and said[name] > 0:
        said[name] = min(max(said[name], least), most)
