"""Who a session is to the server, whichever socket it has."""

from collections.abc import Sequence
from typing import Final

from streamer.client.control import Offer, Welcome

ACKS_KEPT: Final = 1_000
"""Older acknowledgments have arrived, or the server offers those outcomes again."""


class Identity:
    """The connection id that outlives sockets, until when its token is good, how often the session came back, and its
    inbox."""

    def __init__(self, welcome: Welcome) -> None:
        self.welcome = welcome  # the newest
        self.connection_id = welcome.connection_id
        self.token_expires_at = welcome.token_expires_at
        self.reconnects = 0
        self.inbox: Sequence[Offer] = welcome.inbox or ()
        self._acks: dict[str, None] = {}  # the newest last; the server may not have heard of them

    def came_back(self, welcome: Welcome) -> None:
        """Another node took us in; by which connection id it knows us is said by its `resumed`."""
        self.welcome = welcome
        self.token_expires_at = welcome.token_expires_at
        self.reconnects += 1
        if welcome.inbox is not None:
            self.inbox = [offer for offer in welcome.inbox if offer.request_id not in self._acks]

    def ack(self, request_id: str) -> None:
        self._acks[request_id] = None
        if len(self._acks) > ACKS_KEPT:
            del self._acks[next(iter(self._acks))]
        self.inbox = [offer for offer in self.inbox if offer.request_id != request_id]

    def has_acked(self, request_id: str) -> bool:
        return request_id in self._acks

    def acks_to_repeat(self) -> Sequence[str]:
        """What this node is to be told (again). What it does not offer any more is forgotten then."""
        acks = list(self._acks)
        if self.welcome.inbox is not None:
            offered = {offer.request_id for offer in self.welcome.inbox}
            self._acks = {request_id: None for request_id in acks if request_id in offered}
        return acks
