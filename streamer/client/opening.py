"""Opening a session."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streamer.client.clock import Clock
from streamer.client.handshake import Dialer, address
from streamer.client.keeper import Keeper
from streamer.client.requests import Requests
from streamer.client.session import Session
from streamer.client.tokens import Token, Tokens


@asynccontextmanager
async def connect(
    url: str,
    token: Token | None = None,
    *,
    open_timeout_s: float = 10.0,
    reconnect: bool = True,
    give_up_after_s: float | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Session]:
    """A session with the service at `url` (`ws`, `wss`, `http` or `https`; the path defaults to `/ws`).

    `token` is a JWT, sent in the Authorization header, or a function, async or not, that gives one; it is called for
    every handshake, and when the node says that the token of the socket is about to expire. Raises CannotConnect where
    the first handshake fails, and HandshakeRefused with the server's code.

    Later the session reconnects by itself, unless `reconnect` is False or the server does not want it back; it tries
    for as long as it takes, or begins no try later than `give_up_after_s` after a loss. Leaving the block closes the
    session. Requests that are open when it ends raise ConnectionLost. `clock` is for tests.
    """
    time = clock or Clock()
    dialer = Dialer(address(url), Tokens(token, open_timeout_s), open_timeout_s)
    requests = Requests()
    keeper = Keeper(
        dialer, await dialer.dial(), requests, reconnect=reconnect, give_up_after_s=give_up_after_s, clock=time
    )
    session = Session(keeper, requests)
    session.start()
    try:
        yield session
    finally:
        await session.close()
