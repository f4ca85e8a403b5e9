"""A registry in memory, for tests of those who beat in it and read it."""

from collections.abc import Mapping, Sequence
from typing import Any

from streamer.errors import StoreUnavailable
from streamer.store.base import NodeRow


class Nodes:
    """A `NodeRegistry` in memory."""

    def __init__(self) -> None:
        self.rows: dict[str, NodeRow] = {}
        self.is_away = False

    async def beat(self, kind: str, node_id: str, info: Mapping[str, Any]) -> int:
        self.refuse()
        before = self.rows.get(node_id)
        self.rows[node_id] = NodeRow(kind, node_id, before.beat + 1 if before else 1, info)
        return self.rows[node_id].beat

    async def list(self, kind: str) -> Sequence[NodeRow]:
        self.refuse()
        return [row for row in self.rows.values() if row.kind == kind]

    async def remove(self, _kind: str, node_id: str, *, beat: int | None = None) -> None:
        self.refuse()
        if beat is None or self.rows[node_id].beat == beat:
            del self.rows[node_id]

    def refuse(self) -> None:
        if self.is_away:
            raise StoreUnavailable
