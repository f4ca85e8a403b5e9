"""How many calls over HTTP wait for their answer."""

import contextlib
from collections.abc import Iterator


class Calls:
    """The plain calls that are open: a node that leaves stays until they are answered."""

    def __init__(self) -> None:
        self._open = 0

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    def __len__(self) -> int:
        return self._open
