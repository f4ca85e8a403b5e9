"""Placeholders of one request: no attribute name is ever written into an expression, so none can be a reserved word."""

from typing import Any

from streamer.store.dynamodb.items import Value


class Placeholders:
    """Collects the `#names` and `:values` that the expressions of one request use."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Value] = {}

    def name(self, attribute: str) -> str:
        placeholder = f"#{attribute}"
        self._names[placeholder] = attribute
        return placeholder

    def value(self, name: str, content: Value) -> str:
        """`name` is for the reader; two values of one name in one request are a bug."""
        placeholder = f":{name}"
        if self._values.setdefault(placeholder, content) != content:
            raise ValueError(f"{placeholder} has two values")
        return placeholder

    def bound(self) -> dict[str, Any]:
        """The two request parameters; DynamoDB refuses an empty map of values."""
        values = {"ExpressionAttributeValues": self._values} if self._values else {}
        return {"ExpressionAttributeNames": self._names, **values}
