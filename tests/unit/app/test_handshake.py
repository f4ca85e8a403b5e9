import pytest

from app.handshake import Doorkeeper, Hello, Refused
from streamer.protocol.codes import Close
from streamer.settings import Settings
from tests.support.issuer import serving

OFF = Settings(auth_mode="off")


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
