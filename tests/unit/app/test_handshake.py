import asyncio
from ipaddress import ip_network
from typing import Any

import pytest

from app.handshake import Doorkeeper, Hello, Refused
from app.proxies import Proxies
from streamer.auth import Authenticator, Principal, issue_token
from streamer.errors import Forbidden, ServiceUnavailable, StreamerError, Unauthorized
from streamer.protocol.codes import Close
from streamer.settings import Settings
from tests.support.issuer import serving

OFF = Settings(auth_mode="off")
SECRET = "a secret of at least thirty-two bytes"
HERE = {"host": "localhost"}


def hello(**headers: str) -> Hello:
    return Hello(headers, (), "")


@pytest.mark.parametrize(
    ("origin", "host", "is_let_in"),
    [
        ("http://localhost:8080", "localhost:8080", True),
        ("http://localhost", "localhost", True),
        ("http://localhost", "localhost:80", True),
        ("https://localhost", "localhost", True),
        ("http://localhost:8081", "localhost:8080", False),
        ("http://elsewhere.example", "localhost", False),
        ("null", "localhost", False),
        ("http://localhost:x", "localhost", False),
        ("http://[", "localhost", False),
    ],
)
async def test_a_page_may_call_where_it_came_from(origin: str, host: str, is_let_in: bool) -> None:
    keeper = Doorkeeper(OFF)
    given = hello(origin=origin, host=host)
    if is_let_in:
        assert (await keeper.admit(given)).user == "dev"
    else:
        with pytest.raises(Refused) as refused:
            await keeper.admit(given)
        assert refused.value.status == 403
        assert refused.value.headers == {}


@pytest.mark.parametrize(
    ("origin", "has_console", "is_let_in"),
    [
        ("http://page.example", True, True),
        ("http://page.example", False, True),
        ("http://localhost", True, True),
        ("http://localhost", False, False),
        ("http://elsewhere.example", True, False),
    ],
)
async def test_a_list_of_origins_leaves_the_console_its_own(origin: str, has_console: bool, is_let_in: bool) -> None:
    settings = Settings(auth_mode="off", allowed_origins=frozenset({"http://page.example"}), console=has_console)
    given = hello(origin=origin, host="localhost")
    if is_let_in:
        assert (await Doorkeeper(settings).admit(given)).user == "dev"
    else:
        with pytest.raises(Refused, match="origin"):
            await Doorkeeper(settings).admit(given)


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080"])
async def test_this_machine_may_come_without_a_token(host: str) -> None:
    assert (await Doorkeeper(OFF).admit(hello(host=host))).tenant == "dev"


@pytest.mark.parametrize("host", ["", "rebound.example", "[", "10.0.0.1"])
async def test_a_name_that_only_points_here_may_not(host: str) -> None:
    with pytest.raises(Refused, match="localhost"):
        await Doorkeeper(OFF).admit(hello(host=host))


@pytest.mark.parametrize("is_away", [True, False])
async def test_a_node_whose_issuer_is_away_lets_callers_come_again_later(is_away: bool) -> None:
    async with serving("i") as (issuer,):
        keeper = Doorkeeper(Settings(jwt_jwks_url=issuer.url))
        issuer.status = 503 if is_away else 200
        caller = hello(authorization=f"Bearer {issuer.token('ann')}")
        if is_away:
            with pytest.raises(Refused) as refused:
                await keeper.admit(caller)
            assert (refused.value.status, refused.value.close) == (503, Close.RESTARTING)
            assert int(refused.value.headers["retry-after"]) > 0
        else:
            assert (await keeper.admit(caller)).user == "ann"


# --- tokens -------------------------------------------------------------------------------------------------


def keeper(**settings: Any) -> Doorkeeper:
    return Doorkeeper(Settings(jwt_secret=SECRET, **settings))


def token(user: str = "ann", tenant: str = "t1", *permissions: str) -> str:
    return issue_token(SECRET, user=user, tenant=tenant, permissions=permissions, expires_in_s=60)


def bearer(value: str) -> Hello:
    return hello(authorization=f"Bearer {value}")


async def refusal(asking: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        await asking
    return refused.value


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[StreamerError | None]:
    """What authentication ends with, once it is set; None: with nothing at all."""
    endings: list[StreamerError | None] = []

    async def authenticate(_: Authenticator, __: str | None) -> Principal:
        error = endings.pop()
        if error is None:
            await asyncio.Event().wait()
        assert error is not None
        raise error

    monkeypatch.setattr(Authenticator, "authenticate", authenticate)
    return endings


async def test_a_revoked_token_is_refused_like_a_bad_one() -> None:
    strict = Doorkeeper(Settings(jwt_secret=SECRET), lambda principal: principal.user == "ann")
    bad, revoked = await refusal(strict.admit(bearer("nonsense"))), await refusal(strict.admit(bearer(token())))
    for refused in (bad, revoked):
        assert (refused.result, refused.status, refused.close) == ("unauthorized", 401, Close.TOKEN_REJECTED)
    assert str(bad) == str(revoked)
    assert (await refusal(strict.renew(await strict.admit(bearer(token("bob"))), token("ann")))).close == 4500


@pytest.mark.parametrize(
    ("error", "status", "close", "retry_after"),
    [
        (ServiceUnavailable(), 503, Close.RESTARTING, "5"),
        (None, 503, Close.RESTARTING, "5"),
        (Unauthorized(), 401, Close.TOKEN_REJECTED, None),
        (Forbidden(), 403, Close.FORBIDDEN, None),
    ],
    ids=["no keys", "keys that never come", "a bad token", "a tenant that is not let in"],
)
async def test_how_a_handshake_fails(
    answers: list[StreamerError | None], error: StreamerError | None, status: int, close: Close, retry_after: str | None
) -> None:
    answers.append(error)
    refused = await refusal(keeper(handshake_timeout_s=0.01).admit(bearer("a token")))
    assert (refused.status, refused.close, refused.headers.get("retry-after")) == (status, close, retry_after)


async def test_a_fresh_token_is_the_same_users() -> None:
    door = keeper()
    principal = await door.admit(bearer(token()))
    assert (await door.renew(principal, token("ann", "t1", "requests:watch"))).may("requests:watch")
    for stranger in (token("bob"), token("ann", "t2"), "nonsense", ""):
        assert (await refusal(door.renew(principal, stranger))).close == Close.TOKEN_REJECTED


async def test_without_authentication_any_token_will_do() -> None:
    door = Doorkeeper(OFF)
    principal = await door.admit(hello(**HERE))
    assert await door.renew(principal, "anything") is principal


# --- addresses ----------------------------------------------------------------------------------------------


def comes_from(address: str, *, bearer: str | None = None, call: bool = False) -> Hello:
    headers = HERE if bearer is None else {"authorization": f"Bearer {bearer}"}
    return Hello(headers, (), "", address, is_call=call)


async def test_handshakes_of_an_address_are_limited_whatever_their_token() -> None:
    door = Doorkeeper(Settings(auth_mode="off", handshakes_per_address=0.01))
    await door.admit(comes_from("2001:db8::1"))
    refused = await refusal(door.admit(comes_from("2001:db8::2")))
    assert (refused.result, refused.status, refused.close) == ("limited", 429, Close.TOO_MANY_MESSAGES)
    assert 90 <= int(refused.headers["retry-after"]) <= 100
    await door.admit(comes_from("2001:db8:0:1::1"))


async def test_a_limited_handshake_never_shows_its_token(answers: list[StreamerError | None]) -> None:
    door = keeper(handshakes_per_address=0.1)
    answers.append(Unauthorized())
    assert (await refusal(door.admit(comes_from("198.51.100.1", bearer="x")))).status == 401
    assert (await refusal(door.admit(comes_from("198.51.100.1", bearer="x")))).status == 429
    assert answers == []


async def test_calls_count_only_where_their_token_does_not_hold() -> None:
    door = keeper(handshakes_per_address=0.01)
    good, bad = (comes_from("198.51.100.1", bearer=value, call=True) for value in (token(), "nonsense"))
    for _ in range(9):
        await door.admit(good)
    assert [(await refusal(door.admit(bad))).status for _ in range(2)] == [401, 429]
    assert (await refusal(door.admit(good))).status == 429


async def test_a_call_without_a_token_counts_and_comes_from_a_page_of_ours() -> None:
    door = keeper(handshakes_per_address=0.01)
    stranger = Hello({"host": "here", "origin": "https://elsewhere.example"}, (), "", "198.51.100.2", is_call=True)
    with pytest.raises(Refused, match="origin"):
        door.welcome(stranger)
    door.welcome(comes_from("198.51.100.1", call=True))
    with pytest.raises(Refused, match="Too many"):
        door.welcome(comes_from("198.51.100.1", call=True))


@pytest.mark.parametrize(("rate", "peer"), [(0, "198.51.100.1"), (0.1, "")], ids=["no limit", "no address"])
async def test_handshakes_without_limit(rate: float, peer: str) -> None:
    door = Doorkeeper(Settings(auth_mode="off", handshakes_per_address=rate))
    for _ in range(3):
        await door.admit(comes_from(peer))


def test_a_hello_joins_the_lines_of_proxies_and_of_nobody_else() -> None:
    lines = [
        (b"x-forwarded-for", b"192.0.2.7"),
        (b"x-forwarded-for", b"198.51.100.1"),
        (b"host", b"a"),
        (b"host", b"b"),
    ]
    scope = {"headers": lines, "query_string": b"token=x", "client": ("10.0.0.1", 80)}
    trusting = Proxies([ip_network("10.0.0.0/8")])
    read = Hello.read(scope, trusting)
    assert (read.address, read.headers["host"], read.is_call) == ("198.51.100.1", "b", False)
    assert Hello.read(scope).address == "10.0.0.1"
    call = Hello.of_call({**scope, "client": None})
    assert (call.address, call.query, call.is_call) == ("", "", True)
