"""Loaded by STREAMER_ACTIONS into a process whose wall clock is to be wrong: by as many seconds as the file that SKEW
names has in it, at any time. A file that is not there stands for 0."""

import os
import time
from pathlib import Path

_file = Path(os.environ["SKEW"])
_right_ns = time.time_ns


def _skew_ns() -> int:
    try:
        return int(float(_file.read_text() or "0") * 1e9)
    except FileNotFoundError:
        return 0


def _wrong_ns() -> int:
    return _right_ns() + _skew_ns()


def _wrong() -> float:
    return _wrong_ns() / 1e9


time.time_ns = _wrong_ns
time.time = _wrong
