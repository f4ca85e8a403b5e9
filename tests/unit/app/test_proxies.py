"""Whose word is taken for where a client is."""

import ipaddress

import pytest

from app.proxies import DIRECT, Proxies, bucket_key

ALB = ipaddress.ip_network("10.0.0.0/16")
EDGE = ipaddress.ip_network("fd00::/8")


def client(said: str, *, peer: str = "10.0.1.2", trusted: Proxies | None = None) -> str:
    proxies = Proxies([ALB, EDGE]) if trusted is None else trusted
    return proxies.client({"client": (peer, 4_711)}, {"x-forwarded-for": said} if said else {})


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:5000", "203.0.113.7"),
        ("[2001:db8::1]:5000", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.0.3.4", "203.0.113.7"),
        ("203.0.113.7,fd00::5, 10.0.3.4", "203.0.113.7"),
        ("10.0.9.9", "10.0.9.9"),
        ("", "10.0.1.2"),
        ("nonsense", "10.0.1.2"),
        ("203.0.113.7, nonsense", "10.0.1.2"),
        ("1.2.3.4, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.1, 10.0.0.1, 203.0.113.7, 10.0.3.4", "203.0.113.7"),
    ],
)
def test_entries_count_from_the_right_until_somebody_else_wrote_them(said: str, address: str) -> None:
    assert client(said) == address


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert client("203.0.113.7", trusted=DIRECT) == "10.0.1.2"


def test_a_stranger_is_not_believed() -> None:
    assert client("203.0.113.7", peer="198.51.100.9") == "198.51.100.9"


def test_a_peer_without_an_address_is_what_the_server_says() -> None:
    assert DIRECT.client({"client": None}, {}) == ""
    assert DIRECT.client({"client": ("testclient", 0)}, {}) == "testclient"


def test_one_subscriber_is_one_key() -> None:
    assert bucket_key("2001:db8:1:2:3::4") == bucket_key("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert bucket_key("203.0.113.7") == "203.0.113.7"
    assert bucket_key("") == ""
