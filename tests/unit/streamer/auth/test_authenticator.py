"""Tokens: who is let in, and that a refusal tells nothing."""

import asyncio
import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from streamer.auth import DEVELOPER, Authenticator, Principal, issue_token
from streamer.errors import ConfigurationError, Forbidden, ServiceUnavailable, Unauthorized
from streamer.settings import Settings
from tests.support.issuer import Issuer, serving
from tests.support.until import until

SECRET = "0123456789abcdef0123456789abcdef"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P256 = ec.generate_private_key(ec.SECP256R1())


def public_pem(key: Any) -> str:
    pem: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem.decode()


def claims(**changed: Any) -> dict[str, Any]:
    """Good claims but for `changed`; None takes one away."""
    good = {"sub": "u", "tenant_id": "t", "exp": int(time.time()) + 60, "permissions": ["reports:write"]}
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


def by_secret(**settings: Any) -> Authenticator:
    return Authenticator(Settings(jwt_secret=SECRET, **settings))


def signed(key: Any = SECRET, algorithm: str = "HS256", **changed: Any) -> str:
    return jwt.encode(claims(**changed), key, algorithm)


async def refuse(token: str | None, authenticator: Authenticator | None = None) -> Unauthorized:
    with pytest.raises(Unauthorized) as refused:
        await (authenticator or by_secret()).authenticate(token)
    assert refused.value.message == "A valid token is required."
    assert refused.value.details is None
    assert refused.value.__cause__ is not None
    return refused.value


async def test_a_good_token_names_its_principal() -> None:
    expires = int(time.time()) + 60
    found = await by_secret().authenticate(signed(exp=expires))
    assert found == Principal("u", "t", frozenset({"reports:write"}), expires)


@pytest.mark.parametrize(
    ("claim", "granted"),
    [("a b:c", {"a", "b:c"}), (["a b"], {"a b"}), ("", set()), (None, set()), ([], set())],
)
async def test_permissions_are_a_list_or_words(claim: Any, granted: set[str]) -> None:
    assert (await by_secret().authenticate(signed(permissions=claim))).permissions == granted


def test_what_a_principal_may() -> None:
    caller = Principal("u", "t", frozenset({"a"}), None)
    assert caller.may(None)
    assert caller.may("a")
    assert not caller.may("b")
    assert DEVELOPER.may("anything")


async def test_with_authentication_off_everybody_is_the_developer() -> None:
    assert await Authenticator(Settings(auth_mode="off")).authenticate(None) is DEVELOPER
    with pytest.raises(ConfigurationError, match="this machine only"):
        Authenticator(Settings(auth_mode="off", host="0.0.0.0"))


@pytest.mark.parametrize(
    "changed",
    [
        {"sub": None},
        {"exp": None},
        {"tenant_id": None},
        {"sub": ""},
        {"tenant_id": ""},
        {"tenant_id": 7},
        {"tenant_id": "a\0b"},
        {"sub": "a\nb"},
        {"sub": "a\x85b"},
        {"sub": "é" * 129},
        {"sub": "\ud800"},
        {"permissions": 7},
        {"permissions": ["a", 7]},
        {"permissions": {"a": 1}},
        {"exp": 1},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"nbf": 4_000_000_000},
    ],
)
async def test_claims_that_do_not_hold(changed: dict[str, Any]) -> None:
    await refuse(signed(**changed))


async def test_names_may_be_unicode_up_to_256_bytes() -> None:
    name = "é" * 128
    assert (await by_secret().authenticate(signed(sub=name, tenant_id="a\u00a0b"))).user == name


@pytest.mark.parametrize("token", [None, "", "x", "a.b.c", "a" * 20_000, "é.é.é", "\ud800"])
async def test_what_is_no_token(token: str | None) -> None:
    await refuse(token)


@given(st.text(alphabet=st.characters(), max_size=60))
async def test_no_text_is_a_token(token: str) -> None:
    await refuse(token)


async def test_a_deep_token_is_refused_like_any_other() -> None:
    """A header is parsed before its signature is checked, and 5,000 brackets are a RecursionError."""
    header = base64.urlsafe_b64encode(b"[" * 5_000).rstrip(b"=").decode()
    await refuse(f"{header}.e30.AAAA")


async def test_unsigned_and_wrongly_signed_tokens() -> None:
    await refuse(jwt.encode(claims(), None, "none"))  # type: ignore[arg-type]  # unsigned tokens have no key
    await refuse(signed("another-secret-another-secret-32"))
    head, body, signature = signed().split(".")
    other = base64.urlsafe_b64encode(json.dumps(claims(sub="root")).encode()).rstrip(b"=").decode()
    await refuse(f"{head}.{other}.{signature}")
    await refuse(f"{head}.{body}.")


async def test_an_algorithm_outside_the_list() -> None:
    long = SECRET * 2
    only = Authenticator(Settings(jwt_secret=long))
    await refuse(jwt.encode(claims(), long, "HS512"), only)
    both = Authenticator(Settings(jwt_secret=long, jwt_algorithms="HS256,HS512"))
    assert (await both.authenticate(jwt.encode(claims(), long, "HS512"))).user == "u"


async def test_issuer_and_audience_count_where_configured() -> None:
    assert await by_secret().authenticate(signed(aud="anybody", iss="anybody"))
    strict = by_secret(jwt_issuer="i", jwt_audience="a")
    assert await strict.authenticate(signed(iss="i", aud=["a", "b"]))
    for changed in ({}, {"iss": "i"}, {"aud": "a"}, {"iss": "x", "aud": "a"}, {"iss": "i", "aud": "x"}):
        await refuse(jwt.encode(claims(**changed), SECRET), strict)


async def test_leeway_lets_in_and_moves_the_end() -> None:
    expired = int(time.time()) - 30
    await refuse(signed(exp=expired))
    assert (await by_secret(jwt_leeway_s=60).authenticate(signed(exp=expired))).expires == expired + 60


async def test_claims_may_have_other_names() -> None:
    other = by_secret(jwt_tenant_claim="https://acme/org", jwt_permissions_claim="scope")
    renamed = claims(tenant_id=None, scope="a b") | {"https://acme/org": "x"}
    found = await other.authenticate(jwt.encode(renamed, SECRET))
    assert (found.tenant, found.permissions) == ("x", frozenset({"a", "b"}))


async def test_a_tenant_that_is_not_let_in() -> None:
    chosen = by_secret(allowed_tenants="t,t2")
    assert (await chosen.authenticate(signed())).tenant == "t"
    with pytest.raises(Forbidden):
        await chosen.authenticate(signed(tenant_id="t3"))


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (P256, "ES256")])
async def test_public_keys(key: Any, algorithm: str) -> None:
    inline = public_pem(key).replace("\n", "\\n")
    for pem in (public_pem(key), inline):
        authenticator = Authenticator(Settings(jwt_public_key=pem))
        assert (await authenticator.authenticate(signed(key, algorithm))).user == "u"
        await refuse(signed(), authenticator)


async def test_a_public_key_is_never_a_secret() -> None:
    """The classic: a token signed by HS256 with the public key as its secret."""
    pem = public_pem(RSA)
    forged = base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=").decode() + ".e30.AAAA"
    await refuse(forged, Authenticator(Settings(jwt_public_key=pem)))
    with pytest.raises(ConfigurationError, match="HS256 does not go with the key"):
        Authenticator(Settings(jwt_public_key=pem, jwt_algorithms="RS256,HS256"))


async def test_chosen_algorithms_of_a_public_key() -> None:
    authenticator = Authenticator(Settings(jwt_public_key=public_pem(RSA), jwt_algorithms="PS256"))
    assert await authenticator.authenticate(signed(RSA, "PS256"))
    await refuse(signed(RSA, "RS256"), authenticator)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "Set STREAMER_JWT_SECRET or STREAMER_JWT_PUBLIC_KEY"),
        ({"jwt_secret": "short"}, "at least 32 bytes"),
        ({"jwt_secret": public_pem(P256)}, "set STREAMER_JWT_PUBLIC_KEY instead"),
        ({"jwt_secret": SECRET, "jwt_algorithms": "none"}, "none does not go with the key"),
        ({"jwt_secret": SECRET, "jwt_algorithms": "HS512"}, "HS512 does not go with the key; possible are HS256"),
        ({"jwt_secret": SECRET, "jwt_algorithms": "RS256"}, "RS256 does not go with the key"),
        ({"jwt_public_key": "PEM"}, "not a public key in PEM"),
        ({"jwt_public_key": public_pem(P256), "jwt_algorithms": "ES384"}, "possible are ES256"),
        ({"jwt_public_key": public_pem(ed25519.Ed25519PrivateKey.generate())}, "must be an RSA key"),
        ({"jwt_public_key": public_pem(ec.generate_private_key(ec.SECP256K1()))}, "must be an RSA key"),
        ({"jwt_public_key": public_pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))}, "2048 bits"),
    ],
)
def test_keys_by_which_nobody_should_start(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        Authenticator(Settings(**settings))


async def test_a_token_for_development() -> None:
    token = issue_token(SECRET, user="u", tenant="t", permissions=["b", "a"], expires_in_s=60)
    found = await by_secret().authenticate(token)
    assert (found.user, found.tenant, found.permissions) == ("u", "t", frozenset({"a", "b"}))
    with pytest.raises(ConfigurationError, match="32 bytes"):
        issue_token("short", user="u", tenant="t", permissions=[], expires_in_s=60)


async def test_the_id_and_the_time_of_a_token() -> None:
    found = await by_secret().authenticate(signed(jti="é" * 128, iat=1_700_000_000.5))
    assert (found.token_id, found.issued) == ("é" * 128, 1_700_000_000.5)
    found = await by_secret().authenticate(signed())
    assert (found.token_id, found.issued) == (None, None)


@pytest.mark.parametrize(
    "changed",
    [
        {"jti": 7},
        {"jti": "é" * 129},
        {"jti": "\ud800"},
        {"iat": "1700000000"},
        {"iat": True},
        {"iat": float("nan")},
        {"iat": -(10**400)},
        {"iat": 4_000_000_000},
        {"exp": 10**400},
    ],
)
async def test_ids_and_times_that_do_not_hold(changed: dict[str, Any]) -> None:
    await refuse(signed(**changed))


async def test_a_token_for_development_has_an_id_and_a_time() -> None:
    tokens = [
        issue_token(SECRET, user="u", tenant="t", permissions=[], expires_in_s=60, issuer="i", audience="a")
        for _ in range(2)
    ]
    first, second = [await by_secret(jwt_issuer="i", jwt_audience="a").authenticate(token) for token in tokens]
    assert first.token_id != second.token_id
    assert first.issued is not None
    assert abs(first.issued - time.time()) < 60


async def test_one_key_of_several_issuers() -> None:
    either = by_secret(jwt_issuer="i, j")
    for issuer in ("i", "j"):
        assert await either.authenticate(signed(iss=issuer))
    for nobody in ("i, j", "k", None, ["i"], 7):
        whole = json.dumps(claims(iss=nobody)).encode()
        await refuse(jwt.PyJWS().encode(whole, SECRET, "HS256"), either)


def by_set(*issuers: Issuer, **settings: Any) -> Authenticator:
    return Authenticator(Settings(jwt_jwks_url=[issuer.url for issuer in issuers], **settings))


async def test_keys_of_an_issuer_are_read_from_its_set() -> None:
    async with serving("i") as (issuer,):
        authenticator = by_set(issuer)
        assert (await authenticator.authenticate(issuer.token("ann", "t"))).user == "ann"
        assert await authenticator.authenticate(issuer.token(iss="anybody"))
        await refuse(signed(), authenticator)
        await refuse(Issuer().token(), authenticator)  # its key has the same id
        await refuse(issuer.token(iss="x"), by_set(issuer, jwt_issuer="i"))


async def test_each_of_several_issuers_has_its_own_keys() -> None:
    async with serving("i", "j") as (first, second):
        authenticator = by_set(first, second, jwt_issuer="i,j")
        for issuer in (first, second):
            assert await authenticator.authenticate(issuer.token())
        await refuse(first.token(iss="j"), authenticator)
        await refuse(second.token(iss="i"), authenticator)
        for nobody in ("k", None):
            await refuse(first.token(iss=nobody), authenticator)
        for junk in (None, "x", "a.b.c"):
            await refuse(junk, authenticator)


async def test_one_issuer_that_is_away_keeps_nobody_else_out() -> None:
    async with serving("i", "j") as (first, second):
        authenticator = by_set(first, second, jwt_issuer="i,j")
        second.status = 500
        with pytest.raises(ServiceUnavailable):
            await authenticator.authenticate(second.token())
        assert await authenticator.authenticate(first.token())


async def test_keys_are_kept_fresh_from_before_the_first_token() -> None:
    async with serving("i", "j") as (first, second):
        authenticator = by_set(first, second, jwt_issuer="i,j")
        keeping = asyncio.create_task(authenticator.keep_keys())
        await until(lambda: first.asked and second.asked)
        for issuer in (first, second):
            assert await authenticator.authenticate(issuer.token())
        keeping.cancel()
        assert (first.asked, second.asked) == (1, 1)
    await by_secret().keep_keys()
    await Authenticator(Settings(auth_mode="off")).keep_keys()


def test_an_issuers_set_has_no_secrets() -> None:
    with pytest.raises(ConfigurationError, match="HS256 does not go with the key"):
        Authenticator(Settings(jwt_jwks_url="https://i.example/keys", jwt_algorithms="RS256,HS256"))
