"""Keys that change: asked for once for all, kept through an outage, and no way to make us ask all day."""

import asyncio
import threading
from typing import Any

import jwt
import pytest
from structlog.testing import capture_logs

from streamer.auth import jwks
from streamer.auth.jwks import COOLDOWN_S, RETRY_S, JwksKeys
from streamer.auth.keys import USUAL
from streamer.errors import ServiceUnavailable
from tests.support.issuer import Issuer, jwk, rsa_key
from tests.support.until import until


class World:
    """An issuer behind a `fetch`, and a clock that stands still."""

    def __init__(self) -> None:
        self.issuer = Issuer()
        self.now = 1_000.0
        self.fetched = 0
        self.error: Exception | None = None
        self.answers = threading.Event()
        self.answers.set()
        self.keys = JwksKeys("https://issuer.example/keys", USUAL, fetch=self._fetch, clock=lambda: self.now)

    def _fetch(self) -> Any:
        self.fetched += 1
        self.answers.wait()
        if self.error is not None:
            raise self.error
        return self.issuer.document

    async def find(self, key_id: str | None = None) -> str:
        """The algorithm by which a token of this key may be checked."""
        _, (algorithm,) = await self.keys.find(self.issuer.token(key_id=key_id))
        return algorithm

    async def refuses(self, key_id: str) -> None:
        with pytest.raises(ValueError, match="not in the issuer's set"):
            await self.find(key_id)

    async def cannot_tell(self, key_id: str | None = None) -> None:
        with pytest.raises(ServiceUnavailable) as refused:
            await self.find(key_id)
        assert refused.value.after_ms == 1_000 * RETRY_S


@pytest.fixture
async def world() -> World:
    return World()


async def test_a_hundred_tokens_ask_once(world: World) -> None:
    world.answers.clear()
    finding = [asyncio.create_task(world.find()) for _ in range(100)]
    await until(lambda: world.fetched)
    world.answers.set()
    assert await asyncio.gather(*finding) == ["ES256"] * 100
    assert world.fetched == 1


async def test_a_known_key_is_found_without_waiting(world: World) -> None:
    await world.find()
    world.answers.clear()
    finding = world.keys.find(world.issuer.token())
    with pytest.raises(StopIteration) as found:  # ends in its first step: nothing was waited for
        finding.send(None)
    assert found.value.value[1] == ["ES256"]


async def test_a_new_key_is_asked_for_and_the_former_one_goes_on(world: World) -> None:
    await world.find()
    old = world.issuer.token()
    world.now += COOLDOWN_S
    world.issuer.rotate("k2")
    assert await world.find() == "ES256"
    assert (await world.keys.find(old))[1] == ["ES256"]
    assert world.fetched == 2


async def test_ever_new_key_ids_cost_one_question_per_cooldown(world: World) -> None:
    await world.find()
    for cooldown in range(1, 4):
        world.now += COOLDOWN_S
        for number in range(50):
            await world.refuses(f"random-{number}")
        assert world.fetched == 1 + cooldown


async def test_who_comes_while_we_ask_waits_for_the_same_answer(world: World) -> None:
    await world.find()
    world.now += COOLDOWN_S
    world.answers.clear()
    stranger = asyncio.create_task(world.refuses("random"))
    await until(lambda: world.fetched == 2)
    world.issuer.rotate("k2")
    finding = asyncio.create_task(world.find())
    world.answers.set()
    assert await finding == "ES256"
    await stranger
    assert world.fetched == 2


async def test_an_asker_who_goes_away_does_not_take_the_answer_with_him(world: World) -> None:
    world.answers.clear()
    asker = asyncio.create_task(world.find())
    await until(lambda: world.fetched)
    asker.cancel()
    finding = asyncio.create_task(world.find())
    world.answers.set()
    assert await finding == "ES256"
    assert (asker.cancelled(), world.fetched) == (True, 1)


@pytest.mark.parametrize(
    "error", [jwt.PyJWKClientConnectionError("away"), ConnectionResetError(), ValueError("no JSON"), RecursionError()]
)
async def test_keys_outlive_their_server(world: World, error: Exception) -> None:
    await world.find()
    world.error = error
    world.now += COOLDOWN_S
    with capture_logs() as logs:
        await world.cannot_tell("unknown")
        assert await world.find() == "ES256"
        world.now += RETRY_S
        await world.cannot_tell("unknown")
    assert [(line["event"], line["kept"]) for line in logs] == [("keys_not_read", 1)]
    world.error = None
    world.now += RETRY_S
    await world.refuses("unknown")


async def test_junk_in_place_of_a_set_takes_no_key_away(world: World) -> None:
    await world.find()
    world.now += COOLDOWN_S
    good, world.issuer.document = world.issuer.document, {"keys": []}
    await world.cannot_tell("unknown")
    assert await world.find() == "ES256"
    world.issuer.document = good


async def test_before_the_first_answer_nothing_can_be_told(world: World) -> None:
    world.error = OSError("away")
    await world.cannot_tell()
    await world.cannot_tell()
    assert world.fetched == 1  # a crowd at the door of a node without keys is answered at once
    world.error = None
    world.now += RETRY_S
    assert await world.find() == "ES256"


async def test_a_server_that_hangs_holds_nobody_for_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.find()
    monkeypatch.setattr(jwks, "TIMEOUT_S", 0.001)
    world.now += COOLDOWN_S
    world.answers.clear()
    for _ in range(5):
        await world.cannot_tell("unknown")
    assert await world.find() == "ES256"
    assert world.fetched == 2
    world.answers.set()
    await until(lambda: world.keys._task is None)
    await world.refuses("unknown")


async def test_a_withdrawn_key_is_forgotten_at_the_next_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "LIFESPAN_S", 0.001)
    await world.find()
    gone = world.issuer.token()
    world.issuer.rotate("k2", keep=False)
    keeping = asyncio.create_task(world.keys.keep())
    await until(lambda: world.keys._keys[0].key_id == "k2")
    keeping.cancel()
    with pytest.raises(ValueError, match="not in the issuer's set"):
        await world.keys.find(gone)


async def test_keys_are_asked_for_until_they_are_had(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "RETRY_S", 0.0001)
    world.error = OSError("away")
    with capture_logs() as logs:
        keeping = asyncio.create_task(world.keys.keep())
        await until(lambda: world.fetched > 3)
        world.error = None
        await until(lambda: world.keys._keys)
    keeping.cancel()
    assert [line["event"] for line in logs] == ["keys_not_read", "keys_read"]
    assert logs[1]["key_ids"] == ["k1"]


async def test_a_token_that_names_no_key_is_checked_where_one_can_be_meant(world: World) -> None:
    nameless = jwt.encode({}, rsa_key(), "RS256")
    world.issuer.document = {"keys": [jwk(rsa_key().public_key(), "r"), *world.issuer.document["keys"]]}
    assert (await world.keys.find(nameless))[1] == ["RS256"]
    world.issuer.document["keys"].append(jwk(rsa_key().public_key(), "r2"))
    world.now += COOLDOWN_S
    await world.refuses("makes us ask")
    with pytest.raises(ValueError, match="not in the issuer's set"):
        await world.keys.find(nameless)


@pytest.mark.parametrize("algorithm", ["HS256", "PS256", "EdDSA", "none"])
async def test_an_algorithm_outside_the_list_asks_nobody(world: World, algorithm: str) -> None:
    header = jwt.utils.base64url_encode(b'{"alg":"%s","kid":"k1"}' % algorithm.encode()).decode()
    with pytest.raises(ValueError, match="is not one of RS256, ES256"):
        await world.keys.find(f"{header}.e30.AAAA")
    assert world.fetched == 0


async def test_a_known_key_under_an_algorithm_that_does_not_fit_it(world: World) -> None:
    await world.find()
    forged = jwt.encode({}, rsa_key(), "RS256", headers={"kid": "k1"})
    with pytest.raises(ValueError, match="not in the issuer's set"):
        await world.keys.find(forged)
