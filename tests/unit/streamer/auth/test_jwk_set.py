"""Which keys of a set may check tokens."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from streamer.auth import jwk_set
from streamer.auth.keys import ASYMMETRIC, USUAL
from tests.support.issuer import ec_key, jwk, rsa_key

RSA = rsa_key()
P256 = ec_key()
OCT = {"kty": "oct", "kid": "o", "k": base64.urlsafe_b64encode(b"s" * 64).decode()}


def usable(*members: Any) -> list[tuple[str | None, list[str]]]:
    found = jwk_set.usable({"keys": [*members]}, ASYMMETRIC)
    return [(key.key_id, list(key.algorithms)) for key in found]


def test_keys_for_signatures_are_used_for_what_fits_them() -> None:
    rsa_all = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
    assert usable(jwk(RSA.public_key(), "r")) == [("r", rsa_all)]
    assert usable(jwk(RSA.public_key(), "r", alg="PS256")) == [("r", ["PS256"])]
    assert usable(jwk(P256.public_key(), "e", use=None, key_ops=["verify"])) == [("e", ["ES256"])]
    assert usable(jwk(ec_key(ec.SECP384R1()).public_key(), None)) == [(None, ["ES384"])]
    assert usable(jwk(ec_key(ec.SECP521R1()).public_key(), "5", key_ops=None)) == [("5", ["ES512"])]


def test_only_by_algorithms_that_are_wanted() -> None:
    (found,) = jwk_set.usable({"keys": [jwk(RSA.public_key(), "r")]}, USUAL)
    assert list(found.algorithms) == ["RS256"]
    with pytest.raises(ValueError, match="no key"):
        jwk_set.usable({"keys": [jwk(P256.public_key(), "e")]}, ["RS256"])


@pytest.mark.parametrize(
    "useless",
    [
        OCT,
        {**OCT, "alg": "HS256", "use": "sig"},
        {**OCT, "alg": "RS256"},
        jwk(RSA.public_key(), "r", use="enc"),
        jwk(RSA.public_key(), "r", alg="RSA-OAEP"),
        jwk(RSA.public_key(), "r", alg="HS256"),
        jwk(RSA.public_key(), "r", alg="ES256"),
        jwk(RSA.public_key(), "r", alg=["RS256"]),
        jwk(RSA.public_key(), "r", key_ops=["encrypt"]),
        jwk(RSA.public_key(), "r", key_ops="verify"),
        jwk(RSA.public_key(), "r", kid=7),
        jwk(RSA.public_key(), "r", n="?"),
        jwk(RSA.public_key(), "r", n=7),
        jwk(rsa_key(1024).public_key(), "short"),
        jwk(RSA, "private"),
        jwk(P256, "private"),
        jwk(P256.public_key(), "e", alg="ES384"),
        jwk(P256.public_key(), "e", crv="P-999"),
        jwk(P256.public_key(), "e", x="AA"),
        jwk(ec_key(ec.SECP256K1()).public_key(), "bitcoin"),
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": base64.urlsafe_b64encode(b"\0" * 32).decode()},
        {"kty": "nothing"},
        {},
        [],
        None,
        "key",
    ],
)
def test_a_key_of_no_use_is_passed_over(useless: Any) -> None:
    assert usable(useless, jwk(P256.public_key(), "good"), useless) == [("good", ["ES256"])]


@pytest.mark.parametrize(
    "document", [None, [], "keys", 7, {}, {"keys": None}, {"keys": {}}, {"keys": []}, {"keys": [{}]}]
)
def test_a_document_without_keys(document: Any) -> None:
    with pytest.raises(ValueError, match="no key for checking tokens"):
        jwk_set.usable(document, USUAL)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))
MEMBERS = st.sampled_from(["kty", "kid", "use", "alg", "key_ops", "n", "e", "crv", "x", "y", "k", "d"])


@given(st.dictionaries(MEMBERS, JSON | st.sampled_from(["RSA", "EC", "oct", "OKP", "P-256", "RS256", "AQAB"])))
def test_no_junk_is_a_key_or_an_accident(junk: dict[str, Any]) -> None:
    assert usable(jwk(P256.public_key(), "good"), junk) == [("good", ["ES256"])]
