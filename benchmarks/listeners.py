"""Clients that wait for frames of jobs, and note how late each was."""

import time
from typing import Final

from benchmarks import processes
from benchmarks.load import Socket
from streamer.jobs import ids
from streamer.protocol.codes import VERSION_1

_SUBMIT: Final = (
    b'{"type":"request","id":"%s","action":"benchmark_clock","payload":{},"options":{"delay_seconds":3600}}'
)
_SUBSCRIBE: Final = b'{"type":"subscribe","job_id":"%s"}'
_PROGRESS: Final = b'{"type":"progress"'
_ADMITTED: Final = (b'{"type":"acknowledgment"', b'{"type":"subscribed"')
_REFUSED: Final = b'{"type":"error"'
_TIMESTAMP: Final = b'"timestamp":'


class Listener(Socket):
    """Waits for progress of the jobs that it submitted or watches.

    `admitted`: how many these are. `frames`: of each progress frame its time stamp, and how many seconds after that it
    was read; both clocks are this machine's.
    """

    subprotocol = VERSION_1

    def __init__(self, name: str, token: str) -> None:
        super().__init__(token)
        self.jobs: list[str] = []
        self.admitted = 0
        self.frames: list[tuple[float, float]] = []
        self._name = name

    def submit(self, count: int) -> None:
        """Jobs that start in an hour: until then nobody runs them, and anybody may play their worker."""
        names = [f"{self._name}.{number}" for number in range(count)]
        self.jobs = [ids.job_id(processes.TENANT, processes.USER, name) for name in names]
        self.send(*(_SUBMIT % name.encode() for name in names))

    def watch(self, job_id: str) -> None:
        self.send(_SUBSCRIBE % job_id.encode())

    def taken(self, texts: list[bytearray]) -> None:
        now = time.time()
        for text in texts:
            if text.startswith(_PROGRESS):
                sent = float(text[text.rindex(_TIMESTAMP) + len(_TIMESTAMP) : -1])
                self.frames.append((sent, now - sent))
            elif text.startswith(_ADMITTED):
                self.admitted += 1
            elif text.startswith(_REFUSED):
                raise RuntimeError(f"refused: {text.decode()}")
