"""What clients order: jobs of up to five seconds, of every kind, with every habit that clients have."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any, Final

from tests.chaos.errand import Order
from tests.support import acme

LONGEST_S: Final = 5.0
CANCELLED: Final = 0.08
REPEATED: Final = 0.12
DELAYED: Final = 0.12
DURABLE: Final = 0.2


class Menu:
    """Draws orders from the dice."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def draw(self) -> Order:
        kinds: Mapping[Callable[[], Order], int] = {self._walk: 4, self._stream: 4, self._burst: 2}
        order = self._chance.choices(list(kinds), list(kinds.values()))[0]()
        return self._with_habits(replace(order, options=self._options()))

    def poison(self) -> Order:
        """A job that takes its worker with it."""
        return Order(action="quit", payload={"attempts": 1}, seconds=0.0)

    def _walk(self) -> Order:
        steps = self._chance.randint(1, 12)
        step_s = self._chance.uniform(0, LONGEST_S) / steps
        payload = {"steps": steps, "step_s": step_s, "say": f"{steps} steps"}
        return Order(action="steps", payload=payload, seconds=steps * step_s)

    def _stream(self) -> Order:
        chunks, size = self._chance.randint(1, 40), self._chance.choice([20, 200, 2000])
        chunk_s = self._chance.uniform(0, LONGEST_S) / chunks
        every = self._chance.choice([None, None, 10, 20])
        payload = {"chunks": chunks, "chunk_s": chunk_s, "size": size, "checkpoint_every": every}
        output = [{"i": number, "text": acme.text(number, size)} for number in range(chunks)]
        return Order(action="stream", payload=payload, seconds=chunks * chunk_s, output=output)

    def _burst(self) -> Order:
        progress, chunks = self._chance.randint(5, 60), self._chance.randint(5, 60)
        step_s = self._chance.uniform(0, LONGEST_S / 2) / (progress + chunks)
        payload = {"progress": progress, "chunks": chunks, "step_s": step_s}
        output = [{"i": number} for number in range(chunks)]
        return Order(action="burst", payload=payload, seconds=step_s * (progress + chunks), output=output)

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self._chance.random() < DURABLE:
            options["durable"] = True
        if self._chance.random() < DELAYED:
            options["delay_seconds"] = self._chance.uniform(0.5, 4.0)
        if self._chance.random() < 1 / 3:
            options["priority"] = self._chance.choice(["high", "low"])
        return options

    def _with_habits(self, order: Order) -> Order:
        seconds = order.seconds + order.options.get("delay_seconds", 0.0)
        return replace(
            order,
            seconds=seconds,
            cancel_after_s=self._sometime(CANCELLED, seconds),
            repeat_after_s=self._sometime(REPEATED, 2 * seconds),
        )

    def _sometime(self, odds: float, within_s: float) -> float | None:
        return self._chance.uniform(0, within_s) if self._chance.random() < odds else None
