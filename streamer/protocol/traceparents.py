"""The field `traceparent` of frames: where in which trace (W3C Trace Context) a frame was made."""

import re
from typing import Final

_LAST_FIELD: Final = re.compile(rb',"traceparent":"([0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})"}$')
_FIELD_BYTES: Final = 73


def added(frame: bytes, traceparent: str | None) -> bytes:
    """A frame (a JSON object that is not empty) with the field at its end; None: as it is."""
    return frame if traceparent is None else b'%b,"traceparent":"%b"}' % (frame[:-1], traceparent.encode())


def read(frame: bytes) -> str | None:
    """The field, where `added` gave the frame one."""
    found = _LAST_FIELD.search(frame, max(0, len(frame) - _FIELD_BYTES))
    return None if found is None else found[1].decode()
