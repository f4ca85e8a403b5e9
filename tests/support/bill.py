"""What calls cost on DynamoDB, from the `ConsumedCapacity` of every answer."""

from collections.abc import Mapping
from typing import Any


class Bill:
    """Units per table (its name without the prefix) and index; a read may cost half a one."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.units: dict[str, float] = {}

    def add(self, _verb: str, consumed: Any) -> None:
        for each in consumed if isinstance(consumed, list) else [consumed]:
            self._add(each["TableName"].removeprefix(self.prefix), each.get("Table", {}))
            for index, cost in each.get("GlobalSecondaryIndexes", {}).items():
                self._add(index, cost)

    def _add(self, name: str, cost: Mapping[str, float]) -> None:
        self.units[name] = self.units.get(name, 0.0) + cost.get("CapacityUnits", 0.0)

    def take(self) -> dict[str, float]:
        """Since the last time."""
        taken, self.units = self.units, {}
        return {name: units for name, units in taken.items() if units}
