"""`auth` frames: a fresh token for a connection that is there."""

import time

import structlog

from app import faults
from app.connection import Connection
from app.handshake import Doorkeeper, Refused
from app.watch import Watches
from streamer.protocol import frames
from streamer.protocol.codes import Close
from streamer.protocol.messages import Auth

log = structlog.get_logger()


class Renewals:
    """Answers `auth` frames. What the new token permits counts from the next frame on."""

    def __init__(self, doorkeeper: Doorkeeper, watches: Watches) -> None:
        self._doorkeeper = doorkeeper
        self._watches = watches

    async def renew(self, connection: Connection, message: Auth) -> None:
        """A token that is no good, or somebody else's, ends the connection: 4500. Of several tokens that are looked at
        at a time the newest counts."""
        with faults.answering(connection, None):
            connection.renewals = number = connection.renewals + 1
            try:
                principal = await self._doorkeeper.renew(connection.principal, message.token)
            except Refused as refused:
                if refused.close is Close.RESTARTING:  # the keys cannot be had now: it may try again
                    raise refused.error from refused
                log.info("token_refused", connection=connection.connection_id, result=refused.result)
                connection.outbox.close(Close.TOKEN_REJECTED, "the token was rejected")
                return
            if connection.outbox.closed:
                return
            if connection.renewals == number:
                connection.principal = principal
                connection.renewed()
            if connection.speaks_v1:
                connection.outbox.put(frames.authenticated(connection.principal.expires, time.time()))
            await self._watches.withdraw(connection)
