"""Where the others reach a process."""

import socket

import pytest

from streamer.cluster import address


def test_what_was_set_wins() -> None:
    assert address.advertised("node-1.internal", "0.0.0.0") == "node-1.internal"


def test_a_real_address_is_used_as_it_is() -> None:
    assert address.advertised(None, "10.0.0.7") == "10.0.0.7"


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "::", ""])
def test_a_wildcard_becomes_the_address_of_the_host_name(wildcard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "box")
    monkeypatch.setattr(socket, "gethostbyname", {"box": "10.1.2.3"}.__getitem__)
    assert address.advertised(None, wildcard) == "10.1.2.3"


def test_an_endpoint_is_a_url() -> None:
    assert address.endpoint("10.0.0.7", 8082) == "http://10.0.0.7:8082"
    assert address.endpoint("::1", 8082) == "http://[::1]:8082"
