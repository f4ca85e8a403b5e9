"""The stay of a connection at this node: frames may come for it from its beginning to its end."""

from app.connection import Connection
from app.node import Node
from streamer.store.base import Connection as Row


def begin(node: Node, connection: Connection, row: Row) -> None:
    """Announces it: to this node at once, to the others soon."""
    node.hub.add(connection)
    node.registrar.add(row)


def end(node: Node, connection: Connection) -> None:
    """Takes it back, with all that it listens to."""
    if node.hub.get(connection.connection_id) is connection:
        node.hub.remove(connection)
        node.registrar.remove(connection.connection_id)
        node.listeners.leave(connection)
    else:  # it has moved, and is another socket by now
        node.listeners.forget(connection)
