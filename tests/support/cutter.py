"""Who cuts a reader's connection again and again, each time some pieces of output after it came back."""

import random
from typing import Final

from tests.support.switch import Switch

MAX_GAP: Final = 30
"""Pieces between coming back and the next cut."""


class Cutter:
    """Cuts so often, at the same places every time."""

    def __init__(self, switch: Switch, cuts: int) -> None:
        self.cuts = 0  # so far
        self._switch = switch
        random_places = random.Random(7)
        self._gaps = [random_places.randrange(MAX_GAP) for _ in range(cuts)]
        self._passed_on = 0  # connections until the newest cut
        self._since_back = 0  # pieces since the reader's newest connection was made

    def piece(self) -> None:
        """The reader has one more; perhaps it is cut now."""
        is_back = self._switch.passed_on > self._passed_on
        if self.cuts < len(self._gaps) and is_back:
            self._since_back += 1
            if self._since_back > self._gaps[self.cuts]:
                self.cuts += 1
                self._since_back = 0
                self._passed_on = self._switch.passed_on
                self._switch.cut()
