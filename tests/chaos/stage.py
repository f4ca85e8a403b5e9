"""Everything that a fault may touch."""

from dataclasses import dataclass
from random import Random

from tests.chaos.crew import Crew
from tests.chaos.load import Load
from tests.support.switch import Switch
from tests.support.system import System


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A run's parts, and the dice of its faults. `dead_s`: how long a session stands still before it is dead."""

    system: System
    switch: Switch
    crew: Crew
    load: Load
    chance: Random
    dead_s: float
